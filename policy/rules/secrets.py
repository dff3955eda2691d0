"""Secrets: none in states, plans, logs or manifests."""

import re
from collections.abc import Iterator
from typing import Any

from policy.environment import Block, Entity
from policy.rule import OBJECT, rule

CREDENTIALS = tuple(
    re.compile(pattern)
    for pattern in (
        r"-----BEGIN [A-Z ]*PRIVATE KEY",
        r"\bya29\.[\w-]",  # a Google access token
        r"\beyJ[\w-]+\.eyJ[\w-]+",  # a signed token, such as of a Kubernetes service account
        r"\bAIza[\w-]{30}",  # a Google API key
        r"\bgh[pousr]_\w{30}",  # a GitHub token
        r"[$]\{[^}]*(access_token|id_token|client_key|private_key|password|secret_data|client_certificate\b|\.token\b)",
    )
)
"""Patterns of credentials, and of references to them."""

NAMES = re.compile(r"(password|passwd|token|api_?key|private_?key|client_?secret|credentials?)$", re.IGNORECASE)
"""Names of values that are credentials."""


@rule("output")
def no_secret_in_output(output: Block, _: Entity) -> bool:
    """No output contains a secret.

    Outputs are in the state, and every stack that reads the state gets them.
    Source: https://developer.hashicorp.com/terraform/language/manage-sensitive-data
    """
    return not _secret(output["value"])


@rule("null_resource")
def no_secret_in_script(resource: Block, _: Entity) -> bool:
    """No script gets a secret as input.

    Triggers are in the state, and the output of a failing command is in the log.
    Source: https://developer.hashicorp.com/terraform/language/resources/provisioners/syntax
    """
    return not _secret(resource)


@rule("null_resource")
def scripts_by_name(resource: Block, _: Entity) -> bool:
    """Commands only name a script of this project, and bash runs it without the caller's settings.

    A shell executes the command. Data in the environment is not executed. Exported functions and options of the
    caller's shell can make a script do nothing, and succeed.
    Source: https://developer.hashicorp.com/terraform/language/resources/provisioners/local-exec
    """
    script = re.compile(r"assets/[\w./-]+\.sh")
    programs = [one["local-exec"] for one in resource.get("provisioner", [])]
    return all(one["interpreter"] == ["bash", "-p"] and script.fullmatch(one["command"]) for one in programs)


@rule(OBJECT, "kubernetes_config_map_v1_data")
def no_secret_in_manifest(manifest: Block, _: Entity) -> bool:
    """No manifest contains a secret.

    A Secret of terraform's is in its state and its plans, and every account that can read a pod
    can read a password in its environment.
    Source: https://kubernetes.io/docs/concepts/configuration/secret/
    """
    return manifest.get("kind") != "Secret" and not _secret(manifest)


@rule("SecretProviderClass")
def secrets_as_files(manifest: Block, _: Entity) -> bool:
    """Secrets of Secret Manager are files of the pods that read them, and are read as the pods' own account.

    `secretObjects` would copy them into Kubernetes Secrets, and `auth` let the add-on's account read them for all pods.
    Source: https://github.com/GoogleCloudPlatform/secrets-store-csi-driver-provider-gcp/blob/main/docs/authentication.md
    """
    spec = manifest["spec"]
    return set(spec) == {"provider", "parameters"} and set(spec["parameters"]) == {"secrets"}


@rule("data")
def no_token_in_state(_: Block, entity: Entity) -> bool:
    """No data source returns a token.

    Its result is in the state: data.google_client_config returns the caller's access token (measured).
    Source: https://developer.hashicorp.com/terraform/language/manage-sensitive-data
    """
    return entity.name.partition(".")[0] in {"google_project", "terraform_remote_state"}


@rule("provider")
def provider_tokens(provider: Block, _: Entity) -> bool:
    """Provider tokens are ephemeral.

    A token from an ephemeral resource or from Google's plugin is in no state and no plan.
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
    """Yield every text in a value, with its name."""
    match value:
        case str():
            yield name, value
        case dict():
            called = value.get("name") if isinstance(value.get("value"), str) else None  # an item of `env`
            for key, inner in value.items():
                yield from _texts(str(called) if called and key == "value" else str(key), inner)
        case list():
            for inner in value:
                yield from _texts(name, inner)
