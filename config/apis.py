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

GATEWAY_APIS = ("dns", "trafficdirector")
"""Enabled with multi-cluster Gateway, for the multi-cluster services behind it.

Sources: https://cloud.google.com/kubernetes-engine/docs/how-to/multi-cluster-services,
https://cloud.google.com/kubernetes-engine/docs/how-to/enabling-multi-cluster-gateways
"""

CERTIFICATE_MANAGER = "certificatemanager"
"""Enabled with multi-cluster Gateway and domains."""

ANTHOS = "anthos"
"""Enabled if the configuration asks for it: neither asmcli nor the fleet needs it."""
