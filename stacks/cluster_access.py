"""A stack's access to the clusters."""

from config.environment import Environment
from constructs.bindings import GoogleProvider
from constructs.cluster_access import CALLER, ClusterAccess
from stacks.base import LEAST_TERRAFORM_WITH_EPHEMERAL, MeshStack
from stacks.clusters import ClustersStack


def add_cluster_access(stack: MeshStack, environment: Environment, clusters: ClustersStack) -> dict[str, ClusterAccess]:
    """Add a kubernetes provider for every cluster, those of retired regions too, by region key.

    Without its provider, a retired region's objects could not be deleted.
    """
    account = environment.project.impersonate_service_account
    if account is not None:
        stack.add_override("terraform.required_version", LEAST_TERRAFORM_WITH_EPHEMERAL)
        # The stack's own provider already impersonates the account, which can't issue tokens for itself.
        GoogleProvider(stack, "google-caller", alias=CALLER, project=environment.project.id)
    return {
        region.key: ClusterAccess(
            stack.region_scope(region.key),
            "access",
            alias=region.key,
            cluster=clusters.clusters[region.key],
            service_account=account,
            objects=stack.objects,
        )
        for region in environment.resolved_regions()
    }
