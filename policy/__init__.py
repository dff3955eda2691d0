"""The policy: rules that a hardened environment must satisfy, as code.

Rules are functions in `policy.rules`. checkov runs them with its own checks (`make
policy`); the tests call them too, for each mutation in `policy/mutations`.
"""
