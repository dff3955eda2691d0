"""The rules, by subject: each with its requirement, reason and source."""
