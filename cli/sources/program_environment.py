"""The environment of the programs that the CLI runs: the caller's, without personal settings.

The same as in scripts/lib.sh: neither shell functions nor preferences of kubectl and gcloud change what a program does.
"""

import os
from collections.abc import Mapping

OVERRIDES = {
    "CHECKPOINT_DISABLE": "1",
    "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "1",
    # gke-gcloud-auth-plugin gets its token from gcloud, which would write the response into its log.
    "CLOUDSDK_CORE_DISABLE_FILE_LOGGING": "1",
    "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
    # Without it, gcloud prints nothing and exits with 0.
    "CLOUDSDK_CORE_USER_OUTPUT_ENABLED": "true",
    "CLOUDSDK_CORE_VERBOSITY": "warning",
    "DISABLE_VERSION_CHECK": "1",
    # Source: https://kubernetes.io/docs/reference/kubectl/kuberc/
    "KUBERC": "off",
}
"""Stops preferences, questions, checks for updates, and logs."""

REMOVED = ("BASHOPTS", "BASH_ENV", "ENV", "KUBECONFIG", "SHELLOPTS", "TF_DATA_DIR", "TF_WORKSPACE")
REMOVED_PREFIXES = ("BASH_FUNC_", "KUBE_")


def program_environment(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a program.

    Args:
        variables: Variables to add.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in REMOVED and not name.startswith(REMOVED_PREFIXES)
    }
    return kept | OVERRIDES | dict(variables or {})
