"""The rules, by subject: what must hold, why, and where that is said."""
