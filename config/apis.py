"""The Google Cloud APIs that the system calls; `network` switches them on."""

APIS = (
    "anthos",
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
"""Names before ``.googleapis.com``. mesh, meshca and meshconfig are what asmcli asks for.

binaryauthorization and containersecurity answer for what the clusters switch on."""
