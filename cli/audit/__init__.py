"""`mesh audit`: resources in the project that belong to no deployed environment."""
