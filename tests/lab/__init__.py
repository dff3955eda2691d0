"""`make lab`: does the mesh do what it is for? The environment of the configuration, on this machine."""
