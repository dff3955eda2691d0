"""The VPC: subnets, egress, and flow logs."""

import re

from policy.environment import Block, Entity
from policy.rule import rule


@rule("google_compute_network")
def custom_subnets(network: Block, _: Entity) -> bool:
    """The VPC is in custom mode.

    In auto mode it has a subnet in every region of the world, with ranges that this environment does not control.
    Source: https://cloud.google.com/vpc/docs/subnets
    """
    return network["auto_create_subnetworks"] is False


@rule("google_compute_subnetwork")
def flow_logs(subnet: Block, _: Entity) -> bool:
    """Every subnet has flow logs.

    They show the connections of an incident.
    Source: https://cloud.google.com/vpc/docs/flow-logs
    """
    return bool(subnet["log_config"]["flow_sampling"] > 0)


@rule("google_compute_subnetwork")
def private_google_access(subnet: Block, _: Entity) -> bool:
    """Subnets have Private Google Access.

    Otherwise calls of Google's APIs need the NAT, and a rule that allows egress to all addresses.
    Source: https://cloud.google.com/vpc/docs/private-google-access
    """
    return subnet["private_ip_google_access"] is True


@rule("google_compute_router_nat")
def nat_own_subnets(nat: Block, _: Entity) -> bool:
    """The NAT serves named subnets of this environment only.

    A NAT for all subnets also gives egress to machines that are added to the region later.
    Source: https://cloud.google.com/nat/docs/nat-product-interactions
    """
    ours = re.compile(r"\$\{google_compute_subnetwork\.[\w-]+\.(self_link|id|name)\}")
    return (
        nat["source_subnetwork_ip_ranges_to_nat"] == "LIST_OF_SUBNETWORKS"
        and len(nat["subnetwork"]) > 0
        and all(ours.fullmatch(subnet["name"]) for subnet in nat["subnetwork"])
    )


@rule("google_compute_router_nat")
def nat_logs(nat: Block, _: Entity) -> bool:
    """The NAT logs all connections, and its errors.

    All egress passes the NAT, and nothing else records it.
    Source: https://cloud.google.com/nat/docs/monitoring
    """
    return nat["log_config"]["enable"] is True and nat["log_config"]["filter"] == "ALL"
