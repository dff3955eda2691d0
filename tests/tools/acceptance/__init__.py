"""Tests of `make acceptance`."""
