"""The checks that checkov loads from this project (--external-checks-dir)."""
