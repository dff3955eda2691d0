"""Tests of `mesh repair`."""
