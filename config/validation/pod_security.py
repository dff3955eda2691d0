"""Labels of namespaces for Pod Security admission, whose API server refuses a namespace with another value.

https://kubernetes.io/docs/concepts/security/pod-security-admission/#pod-security-admission-labels-for-namespaces
https://github.com/kubernetes/pod-security-admission/blob/v0.34.0/api/helpers.go (PolicyToEvaluate)
"""

import re
from collections.abc import Iterator

from config.environment import Environment
from config.problems import Problem, Suggestion

PREFIX = "pod-security.kubernetes.io/"
MODES = ("enforce", "audit", "warn")
LEVELS = ("privileged", "baseline", "restricted")
KEYS = tuple(f"{PREFIX}{mode}{suffix}" for suffix in ("", "-version") for mode in MODES)

_VERSION = re.compile(r"latest|v1\.(0|[1-9][0-9]*)")


def check_pod_security(environment: Environment) -> Iterator[Problem]:
    for name, namespace in environment.mesh.namespaces.items():
        for key, value in namespace.labels.items():
            if not key.startswith(PREFIX):
                continue
            path = f"mesh.namespaces.{name}.labels.'{key}'"
            if key not in KEYS:
                rule = f"is no label of Pod Security: {', '.join(MODES)}, and each with -version"
                yield Problem(path, rule, suggestion=Suggestion(key, KEYS))
            elif key.endswith("-version") and not _VERSION.fullmatch(value):
                yield Problem(path, "must be a version of Kubernetes such as v1.34, or latest", value)
            elif not key.endswith("-version") and value not in LEVELS:
                yield Problem(path, f"must be one of {', '.join(LEVELS)}", value, Suggestion(value, LEVELS))
