"""Warnings about routes: paths that are probably meant as patterns, and redirects to where nothing listens."""

import re
from collections.abc import Iterator

from config.environment import Environment
from config.problems import Problem

_PATTERN = re.compile(r"/(\.?\*+|[^/]+\*|:[A-Za-z_][^/]*)(?=/|$)")
"""A part that is or ends in a star, as in /shop/* and /shop.*, or begins with a colon, as in /users/:id."""


def check_redirects(environment: Environment) -> Iterator[Problem]:
    """Warn of a redirect to HTTPS on the same host, in an environment without certificates."""
    if environment.ingress.scheme == "https":
        return
    for name, service in environment.services.items():
        for index, route in enumerate(service.routes):
            if route.redirect is not None and route.redirect.https and route.redirect.host is None:
                rule = "leads to HTTPS, which the load balancer does not serve without ingress.domains; leave https out"
                yield Problem(f"services.{name}.routes[{index}].redirect.https", rule, True)


def check_patterns(environment: Environment) -> Iterator[Problem]:
    """Warn of a path with a wildcard or a parameter."""
    for name, service in environment.services.items():
        for index, route in enumerate(service.routes):
            for path in map(str, route.path):
                if found := _PATTERN.search(path):
                    above = path[: found.start()] or "/"
                    rule = (
                        f"is compared as it stands, {found[1]!r} too, which is no pattern; for all paths below {above} "
                        f"write path: {above} and match: prefix"
                    )
                    yield Problem(f"services.{name}.routes[{index}].path", rule, path)
