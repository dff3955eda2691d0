"""The VPC: what gets out, and what is seen of it."""

import re

from policy.environment import Block, Place
from policy.rule import rule


@rule("google_compute_network")
def custom_subnets(network: Block, _: Place) -> bool:
    """The network has no subnets but ours.

    In auto mode it has one in every region of the world, with ranges that nobody chose.
    Source: https://cloud.google.com/vpc/docs/subnets
    """
    return network["auto_create_subnetworks"] is False


@rule("google_compute_subnetwork")
def flow_logs(subnet: Block, _: Place) -> bool:
    """Every subnet logs its flows.

    Without them nobody can tell, after an incident, who talked with whom.
    Source: https://cloud.google.com/vpc/docs/flow-logs
    """
    return bool(subnet["log_config"]["flow_sampling"] > 0)


@rule("google_compute_subnetwork")
def private_google_access(subnet: Block, _: Place) -> bool:
    """Nodes reach Google's APIs without an external address.

    Otherwise the way there is the NAT, and a rule that lets nodes out to all addresses.
    Source: https://cloud.google.com/vpc/docs/private-google-access
    """
    return subnet["private_ip_google_access"] is True


@rule("google_compute_router_nat")
def nat_own_subnets(nat: Block, _: Place) -> bool:
    """The NAT serves named subnets of ours only.

    A NAT for everything is also the way out of whatever somebody adds to the region later.
    Source: https://cloud.google.com/nat/docs/nat-product-interactions
    """
    ours = re.compile(r"\$\{google_compute_subnetwork\.[\w-]+\.(self_link|id|name)\}")
    return (
        nat["source_subnetwork_ip_ranges_to_nat"] == "LIST_OF_SUBNETWORKS"
        and len(nat["subnetwork"]) > 0
        and all(ours.fullmatch(subnet["name"]) for subnet in nat["subnetwork"])
    )


@rule("google_compute_router_nat")
def nat_logs(nat: Block, _: Place) -> bool:
    """The NAT logs what goes out, and what could not.

    It is the one way out: what leaves is seen here or nowhere.
    Source: https://cloud.google.com/nat/docs/monitoring
    """
    return nat["log_config"]["enable"] is True and nat["log_config"]["filter"] == "ALL"
