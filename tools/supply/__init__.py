"""What the project is built of: everything that is locked, its licences, and what is known to be wrong with it."""
