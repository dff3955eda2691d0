"""`make lab`: checks the mesh of a configuration on this machine."""
