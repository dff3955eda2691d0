"""Google's discovery documents: the methods of an API, found by a request's verb and path."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

Schema = Mapping[str, Any]

_FOLDER = files("googleapiclient") / "discovery_cache" / "documents"
_PARAMETER = re.compile(r"\{[^}]+\}")


@dataclass(frozen=True)
class Method:
    """A method of an API.

    Attributes:
        id: such as ``compute.networks.insert``.
        verb: of HTTP.
        parameters: all parameters of the query and the path, the API's common ones too.
        request: schema of the request's body; None if it has none.
        response: schema of the response's body; None if it has none.
    """

    id: str
    verb: str
    parameters: Mapping[str, Schema]
    request: Schema | None
    response: Schema | None


class Document:
    """The document of one version of an API.

    Attributes:
        schemas: by their names.
        ids: of all methods.
    """

    def __init__(self, content: Mapping[str, Any]) -> None:
        """Index the methods.

        Args:
            content: of the document.
        """
        self.schemas: Mapping[str, Schema] = content["schemas"]
        self._common: Mapping[str, Schema] = content["parameters"]
        self._version = content["version"]
        self._methods: dict[tuple[str, int], list[tuple[str, Schema]]] = defaultdict(list)
        self.ids = {method["id"] for method in _methods(content)}
        for method in _methods(content):
            template = self._template(method)
            self._methods[method["httpMethod"], template.count("/")].append((template, method))

    def _template(self, method: Schema) -> str:
        """Return a method's path below the API's version."""
        template: str = method.get("flatPath", method["path"])
        return template.removeprefix(f"{self._version}/")

    def find(self, verb: str, path: str) -> Method | None:
        """Return the method of a request.

        Args:
            verb: of HTTP.
            path: below the API's version, with its parts still quoted.
        """
        matches = []
        for template, method in self._methods[verb, path.count("/")]:
            if _pattern(template).fullmatch(path):
                matches.append((len(_PARAMETER.sub("", template)), method))
        if not matches:
            return None
        _, method = max(matches, key=lambda one: one[0])  # the most literal one, such as with a custom verb
        return Method(
            method["id"],
            verb,
            {**self._common, **method.get("parameters", {})},
            method.get("request"),
            method.get("response"),
        )


@cache
def document(api: str, version: str) -> Document | None:
    """Return the document of a version of an API such as ``compute``; None if there is none."""
    file = _FOLDER / f"{api}.{version}.json"
    return Document(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else None


def _methods(resource: Mapping[str, Any]) -> Iterator[Schema]:
    yield from resource.get("methods", {}).values()
    for inner in resource.get("resources", {}).values():
        yield from _methods(inner)


@cache
def _pattern(template: str) -> re.Pattern[str]:
    return re.compile("[^/]+".join(re.escape(part) for part in _PARAMETER.split(template)))
