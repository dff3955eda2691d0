"""`mesh init`: a configuration file for a new project."""
