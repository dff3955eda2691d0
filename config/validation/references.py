"""References from one part of the file to another."""

from collections.abc import Iterator

from config.environment import Environment
from config.problems import MISSING, Problem, Suggestion


def check_region_key(environment: Environment, path: str, key: str) -> Iterator[Problem]:
    if key not in environment.regions:
        known = list(environment.regions)
        value = MISSING if path.endswith(f".{key}") else key
        yield Problem(path, f"is not a key of regions ({', '.join(known)})", value, Suggestion(key, known))
