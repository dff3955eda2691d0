"""What checkov loads from us (--external-checks-dir)."""
