"""checkov: its own checks and our rules, on a copy of what cdktf has written."""
