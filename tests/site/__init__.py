"""The site, and what the pages show."""
