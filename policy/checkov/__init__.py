"""checkov: runs its own checks and our rules on a copy of the synthesized JSON."""
