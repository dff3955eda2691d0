"""What must hold of every environment that is to be called hardened, as code.

Rules are functions in `policy.rules`. checkov runs them beside its own checks (`make
policy`); the tests call them too, for each weakening in `policy/weakenings`.
"""
