"""Checks of how the parts of a configuration fit together, by subject."""
