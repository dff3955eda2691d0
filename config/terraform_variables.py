"""Environment variables that make Terraform act on something other than the stacks say.

tools/cdk runs this file before cdktf, in a Python without the project's packages.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import PurePath

KUBERNETES_PROVIDER = frozenset(
    f"KUBE_{name}"
    for name in (
        "CLIENT_CERT_DATA",
        "CLIENT_KEY_DATA",
        "CLUSTER_CA_CERT_DATA",
        "CONFIG_PATH",
        "CONFIG_PATHS",
        "CTX",
        "CTX_AUTH_INFO",
        "CTX_CLUSTER",
        "HOST",
        "INSECURE",
        "PASSWORD",
        "PROXY_URL",
        "TLS_SERVER_NAME",
        "TOKEN",
        "USER",
        "USERNAME",
    )
)
"""All variables that the kubernetes provider reads. Most override its block for every cluster.

Source: manifest/provider/configure.go and kubernetes/provider.go of hashicorp/terraform-provider-kubernetes v2.38.0.
"""

DATA_FOLDER = "TF_DATA_DIR"
"""Where terraform keeps a stack's backend and providers, relative to the stack's folder.

Source: https://developer.hashicorp.com/terraform/cli/config/environment-variables#tf_data_dir
"""

WORKSPACE = "TF_WORKSPACE"
"""The workspace whose state terraform uses; another one than `default` is created on the way, empty.

Source: https://developer.hashicorp.com/terraform/cli/config/environment-variables#tf_workspace
"""


class TerraformVariablesError(Exception):
    """Variables that must not be set for a deploy."""


def check(variables: Mapping[str, str] = os.environ) -> None:
    """Check that terraform reaches the clusters that the stacks name, and keeps the stacks apart.

    Raises:
        TerraformVariablesError: A variable is set that prevents it.
    """
    if found := "\n".join(f"{text}: {fix}" for text, fix in problems(variables)):
        raise TerraformVariablesError(found)


def problems(variables: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong, and the command that corrects it, for each kind of variable that must not be set."""
    names = sorted(name for name in KUBERNETES_PROVIDER if variables.get(name))
    if names:
        text = (
            f"{', '.join(names)} in the environment: the kubernetes provider would use that for every cluster, and so "
            "reach another one or send it a token"
        )
        yield text, f"unset {' '.join(names)}"
    if _is_shared(variables.get(DATA_FOLDER, "")):
        text = (
            f"{DATA_FOLDER} in the environment: all stacks would share one data folder, and terraform would want to "
            "migrate the state of one stack to the backend of another"
        )
        yield text, f"unset {DATA_FOLDER}"
    if variables.get(WORKSPACE, "") not in ("", "default"):
        text = (
            f"{WORKSPACE} in the environment: terraform would use another state than the one that has what is "
            "deployed, and create everything a second time"
        )
        yield text, f"unset {WORKSPACE}"


def _is_shared(folder: str) -> bool:
    """Return whether stacks share a data folder: a relative one inside of a stack's folder is its own."""
    path = PurePath(folder)
    return path.is_absolute() or ".." in path.parts


if __name__ == "__main__":
    try:
        check()
    except TerraformVariablesError as error:
        sys.exit(f"{error}")
