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
    yield f"In the Google Cloud project {environment.project.id}, this creates an environment in {count} regions:"
    yield from (f"  {region.location}, nodes in {', '.join(region.zones) or 'three zones'}" for region in regions)
    yield "What is billed, while it exists:"
    yield f"  {count:>3}        regional GKE clusters"
    yield f"  {least:>3} to {most:<3} nodes: {', '.join(shapes)}"
    yield f"  {count:>3}        Cloud NAT gateways, each with external addresses"
    yield "    1        external Application Load Balancer, made by Multi Cluster Ingress, with a reserved address"
    yield f"  {gateways:>3} to {environment.ingress.max_replicas * count:<3} gateway pods behind it"
    yield f"  {count:>3}        clusters in a managed Cloud Service Mesh"
    yield "             logs and metrics of all these, and traffic between the regions"
    yield f"Prices: {PRICES}. Google Cloud APIs that are switched on for it stay on."
    yield "Steps, with the minutes that each usually takes on Google Cloud:"
    for step in steps:
        yield f"  {step.name:<8}  {step.minutes:>9}  {step.purpose}"
    low, high = (sum(step.range[side] for step in steps) for side in (0, 1))
    yield f"In all: {low} to {high} minutes. It is destroyed at the end, and also after an error, Ctrl-C or SIGTERM."
