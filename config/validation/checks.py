"""Every check of how the parts of an environment fit together, in the order in which they run.

Each check yields the problems that it finds. It looks at nothing that another check
has already refused, so that one mistake makes one message.
"""

from collections.abc import Callable, Iterator

from config.environment import Environment
from config.problems import Problem
from config.validation.addresses import check_ranges
from config.validation.capacity import check_capacity, check_largest_scale, check_requests
from config.validation.control_plane import check_control_plane
from config.validation.drained import check_drained
from config.validation.ingress import check_ingress
from config.validation.locations import check_locations
from config.validation.names import check_names
from config.validation.networks import check_authorized_networks, check_logs, check_pod_protocols
from config.validation.nodes import check_node_pools
from config.validation.pod_security import check_pod_security
from config.validation.pods import check_pods, check_volume_room
from config.validation.ports import check_ports
from config.validation.regions import check_maintenance, check_regions, check_secrets_keys
from config.validation.remote_runner import check_remote_runner
from config.validation.reserved_names import check_reserved_names
from config.validation.route_warnings import check_patterns, check_redirects
from config.validation.routes import check_routes
from config.validation.scaling import check_reachable_targets, check_scaling
from config.validation.service_accounts import check_deployer, check_service_accounts
from config.validation.services import check_services
from config.validation.source_addresses import check_source_addresses
from config.validation.traffic import check_connect_timeouts, check_traffic
from config.validation.traffic_shares import check_traffic_shares
from config.validation.unused import check_unused

CHECKS: tuple[Callable[[Environment], Iterator[Problem]], ...] = (
    check_names,
    check_regions,
    check_ranges,
    check_pod_protocols,
    check_authorized_networks,
    check_source_addresses,
    check_logs,
    check_secrets_keys,
    check_maintenance,
    check_node_pools,
    check_ingress,
    check_services,
    check_drained,
    check_traffic,
    check_traffic_shares,
    check_pods,
    check_ports,
    check_routes,
    check_service_accounts,
    check_scaling,
    check_reserved_names,
    check_pod_security,
    check_capacity,
    check_remote_runner,
)


def check(environment: Environment) -> list[Problem]:
    """Return everything that is wrong with an environment whose fields are each right."""
    found = [problem for one_check in CHECKS for problem in one_check(environment)]
    return found or list(check_control_plane(environment))


WARNINGS: tuple[Callable[[Environment], Iterator[Problem]], ...] = (
    check_locations,
    check_unused,
    check_largest_scale,
    check_requests,
    check_reachable_targets,
    check_patterns,
    check_redirects,
    check_connect_timeouts,
    check_volume_room,
    check_deployer,
)
"""Checks that find what is probably not meant, in an environment that is accepted."""


def find_warnings(environment: Environment) -> list[Problem]:
    """Return what is probably not meant, in an environment without problems."""
    return [problem for one_check in WARNINGS for problem in one_check(environment)]
