"""Tests of `mesh explain`."""
