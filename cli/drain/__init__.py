"""`mesh drain` and `mesh undrain`: take a region out of service before work on it, and put it back."""
