"""From a file to an `Environment`, or to everything that is wrong with the file."""
