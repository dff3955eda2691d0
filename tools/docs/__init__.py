"""The site, and the page that is generated from the CLI."""
