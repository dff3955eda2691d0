"""The Google Cloud APIs that the system calls; the stack `network` enables them."""

APIS = (
    "binaryauthorization",
    "cloudresourcemanager",
    "cloudtrace",
    "compute",
    "container",
    "containersecurity",
    "gkehub",
    "iam",
    "iamcredentials",
    "logging",
    "mesh",
    "meshca",
    "meshconfig",
    "monitoring",
    "multiclusteringress",
    "multiclusterservicediscovery",
)
"""Names before ``.googleapis.com``. asmcli requires mesh, meshca and meshconfig.

binaryauthorization and containersecurity serve features that the clusters enable."""

SECRET_MANAGER = "secretmanager"
"""Enabled with `cluster.secret_manager`."""

ANTHOS = "anthos"
"""Enabled if the configuration asks for it: neither asmcli nor the fleet needs it."""
