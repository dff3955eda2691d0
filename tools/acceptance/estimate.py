"""What an acceptance run creates that is billed, and for how long."""

from collections.abc import Iterator, Sequence

from config import Environment
from config.validation.nodes import zone_count
from tools.acceptance.step import Step

PRICES = "https://cloud.google.com/products/calculator"


def estimate(environment: Environment, steps: Sequence[Step]) -> Iterator[str]:
    """Yield the lines that are shown before the question.

    Args:
        environment: The environment that is deployed.
        steps: The steps.
    """
    regions = environment.resolved_regions()
    count = len(regions)
    zones = {region.key: zone_count(environment.regions[region.key]) for region in regions}
    least = sum(zones[region.key] * region.nodes.min_nodes for region in regions)
    most = sum(zones[region.key] * region.nodes.max_nodes for region in regions)
    shapes = sorted({f"{one.nodes.machine_type} with a boot disk of {one.nodes.disk_size_gb} GB" for one in regions})
    gateways = environment.ingress.min_replicas * count
    yield f"This run creates an environment in the Google Cloud project {environment.project.id}, in {count} regions:"
    yield from (f"  {region.location}, nodes in {', '.join(region.zones) or 'three zones'}" for region in regions)
    yield "Billed while it exists:"
    yield f"  {count:>3}        regional GKE clusters"
    yield f"  {least:>3} to {most:<3} nodes: {', '.join(shapes)}"
    yield f"  {count:>3}        Cloud NAT gateways, with external addresses"
    yield "    1        external Application Load Balancer of Multi Cluster Ingress, with a reserved address"
    yield f"  {gateways:>3} to {environment.ingress.max_replicas * count:<3} gateway pods behind it"
    yield f"  {count:>3}        clusters in a managed Cloud Service Mesh"
    yield "             logs, metrics, and traffic between the regions"
    yield f"Prices: {PRICES}. The Google Cloud APIs that the run enables stay enabled."
    yield "Steps, with their expected durations on Google Cloud (min):"
    for step in steps:
        yield f"  {step.name:<8}  {step.minutes:>9}  {step.purpose}"
    low, high = (sum(step.range[side] for step in steps) for side in (0, 1))
    yield f"Total: {low} to {high} minutes. The environment is destroyed at the end, and after an error or a signal."
