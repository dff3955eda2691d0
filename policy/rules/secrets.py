"""Where a secret would stay: states, plans, logs, manifests."""

import re
from collections.abc import Iterator
from typing import Any

from policy.environment import Block, Place
from policy.rule import OBJECT, rule

CREDENTIALS = tuple(
    re.compile(pattern)
    for pattern in (
        r"-----BEGIN [A-Z ]*PRIVATE KEY",
        r"\bya29\.[\w-]",  # an access token of Google's
        r"\beyJ[\w-]+\.eyJ[\w-]+",  # a signed token, as Kubernetes' accounts have
        r"\bAIza[\w-]{30}",  # an API key of Google's
        r"\bgh[pousr]_\w{30}",  # a token of GitHub's
        r"[$]\{[^}]*(access_token|id_token|client_key|private_key|password|secret_data|client_certificate\b|\.token\b)",
    )
)
"""What a credential looks like, and a reference to one."""

NAMES = re.compile(r"(password|passwd|token|api_?key|private_?key|client_?secret|credentials?)$", re.IGNORECASE)
"""What is called so is one."""


@rule("output")
def no_secret_in_output(output: Block, _: Place) -> bool:
    """No output leads to a secret.

    An output is in the state, and every stack that may read that state gets it.
    Source: https://developer.hashicorp.com/terraform/language/manage-sensitive-data
    """
    return not _secret(output["value"])


@rule("null_resource")
def no_secret_in_script(resource: Block, _: Place) -> bool:
    """What a script is given holds no secret.

    Triggers are in the state, and what a failing command prints is in the log.
    Source: https://developer.hashicorp.com/terraform/language/resources/provisioners/syntax
    """
    return not _secret(resource)


@rule("null_resource")
def scripts_by_name(resource: Block, _: Place) -> bool:
    """A command is the name of a script of ours, and nothing else.

    What stands in a command is executed. Data goes by environment, where it is data.
    Source: https://developer.hashicorp.com/terraform/language/resources/provisioners/local-exec
    """
    script = re.compile(r"bash assets/[\w./-]+\.sh")
    return all(script.fullmatch(one["local-exec"]["command"]) for one in resource.get("provisioner", []))


@rule(OBJECT, "kubernetes_config_map_v1_data")
def no_secret_in_manifest(manifest: Block, _: Place) -> bool:
    """No manifest holds a secret.

    A Secret made by terraform is in its state and its plans, and a password in a pod's
    environment is seen by everybody who may look at the pod.
    Source: https://kubernetes.io/docs/concepts/configuration/secret/
    """
    return manifest.get("kind") != "Secret" and not _secret(manifest)


@rule("data")
def no_token_in_state(_: Block, place: Place) -> bool:
    """No data source answers with a token.

    Its answer is in the state: data.google_client_config's is the caller's access token (measured).
    Source: https://developer.hashicorp.com/terraform/language/manage-sensitive-data
    """
    return place.name.partition(".")[0] in {"google_project", "terraform_remote_state"}


@rule("provider")
def provider_tokens(provider: Block, _: Place) -> bool:
    """A provider's token is written down nowhere.

    It comes from an ephemeral resource or from Google's plugin: neither is in a state or a plan.
    Source: https://developer.hashicorp.com/terraform/language/resources/ephemeral
    """
    token = provider.get("token", "${ephemeral.}")
    return token.startswith("${ephemeral.") and not _secret({**provider, "token": ""})


def _secret(value: Any) -> bool:
    return any(
        any(pattern.search(text) for pattern in CREDENTIALS)
        or (NAMES.search(name) is not None and text != "" and not text.startswith(("${self.", "${each.")))
        for name, text in _texts("", value)
    )


def _texts(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield every text in a value, and what it is called."""
    match value:
        case str():
            yield name, value
        case dict():
            called = value.get("name") if isinstance(value.get("value"), str) else None  # an entry of `env`
            for key, inner in value.items():
                yield from _texts(str(called) if called and key == "value" else str(key), inner)
        case list():
            for inner in value:
                yield from _texts(name, inner)
