"""Errors that the user can do something about."""


class LocalMeshError(Exception):
    """A reason and, where there is one, what to do next. Shown without a traceback."""
