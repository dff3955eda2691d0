"""What a command reports: findings, their remediation, and how they are printed."""
