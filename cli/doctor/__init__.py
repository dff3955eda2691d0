"""`mesh doctor`: whether a deploy can succeed from this machine."""
