"""The environment of a container, as Kubernetes has it."""

from typing import Any

from config.container_text import escape
from config.services.variable import EnvSource, EnvVariable, FieldReference, KeyReference

REFERENCES = {"secret": "secretKeyRef", "config_map": "configMapKeyRef"}
SOURCES = {"secret": "secretRef", "config_map": "configMapRef"}


def variable(name: str, value: EnvVariable) -> dict[str, Any]:
    """Return an environment variable of a container, whose value arrives as it is configured.

    An empty value is left out: it means the same, and the API server leaves it out too, which the provider takes for
    an inconsistent result.
    """
    if isinstance(value, FieldReference):
        return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": value.field}}}
    if isinstance(value, KeyReference):
        return {"name": name, "valueFrom": {REFERENCES[value.chosen]: {**_object(value), "key": value.key}}}
    return {"name": name, "value": escape(value)} if value else {"name": name}


def env_source(source: EnvSource) -> dict[str, Any]:
    """Return a Secret or a ConfigMap whose keys are environment variables of a container."""
    prefix = {"prefix": source.prefix} if source.prefix else {}
    return {**prefix, SOURCES[source.chosen]: _object(source)}


def _object(source: KeyReference | EnvSource) -> dict[str, Any]:
    optional = {"optional": True} if source.optional else {}
    return {"name": getattr(source, source.chosen), **optional}
