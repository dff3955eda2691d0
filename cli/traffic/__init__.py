"""`mesh verify` and `mesh drill`: requests between regions, and what happens to them in a failure."""
