"""Tests of what `mesh status` compares, and of how it reports that."""
