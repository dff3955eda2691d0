"""The Google Cloud APIs that the system calls; `network` switches them on."""

APIS = (
    "anthos",
    "cloudresourcemanager",
    "cloudtrace",
    "compute",
    "container",
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
"""Names before ``.googleapis.com``. mesh, meshca and meshconfig are what asmcli asks for."""
