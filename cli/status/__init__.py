"""`mesh status`: the deployed environment, compared with the configuration."""
