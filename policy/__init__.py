"""The policy: what the synthesized JSON may contain, as code, and mutations that prove it (docs/policy.md)."""
