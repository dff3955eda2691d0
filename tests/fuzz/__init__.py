"""Files that nobody has written, and everything that has to hold of those that are accepted."""
