"""`services`: your own services on the mesh; the demo is one too."""
