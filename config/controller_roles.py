"""The roles that Google's controllers need in the project for multi-cluster Gateway."""

from typing import NamedTuple


class RoleBinding(NamedTuple):
    """A role in the project.

    Attributes:
        role: its name.
        member: who has it.
    """

    role: str
    member: str


def importer_role(project: str, project_number: str) -> RoleBinding:
    """Return the role with which the importer of multi-cluster services finds endpoints, by its Kubernetes account.

    Source: https://cloud.google.com/kubernetes-engine/docs/how-to/multi-cluster-services
    """
    pool = f"projects/{project_number}/locations/global/workloadIdentityPools/{project}.svc.id.goog"
    member = f"principal://iam.googleapis.com/{pool}/subject/ns/gke-mcs/sa/gke-mcs-importer"
    return RoleBinding("roles/compute.networkViewer", member)


def gateway_controller_role(project_number: str) -> RoleBinding:
    """Return the role with which the controller of the load balancers reads and writes objects in the clusters.

    Source: https://cloud.google.com/kubernetes-engine/docs/how-to/enabling-multi-cluster-gateways
    """
    account = f"service-{project_number}@gcp-sa-multiclusteringress.iam.gserviceaccount.com"
    return RoleBinding("roles/container.admin", f"serviceAccount:{account}")
