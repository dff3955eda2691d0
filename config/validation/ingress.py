"""`ingress`: its config cluster, domains and replicas."""

from collections.abc import Iterator

from config.environment import Environment
from config.ingress import EXTERNAL, INTERNAL
from config.problems import Problem
from config.validation.duplicates import check_duplicates
from config.validation.references import check_region_key

MOST_ADDRESSES = 16
"""Addresses of a Gateway, by its CRD.

Source: https://github.com/kubernetes-sigs/gateway-api/blob/main/config/crd/standard/gateway.networking.k8s.io_gateways.yaml
"""

LEAST_REPLICAS = 2
"""Gateway pods in a cluster, so that one may go."""


def check_ingress(environment: Environment) -> Iterator[Problem]:
    ingress = environment.ingress
    yield from check_region_key(environment, "ingress.config_cluster", ingress.config_cluster)
    home = environment.regions.get(ingress.config_cluster)
    if home is not None and home.retired:
        rule = "is retired; choose another region, and deploy that first"
        yield Problem("ingress.config_cluster", rule, ingress.config_cluster)
    if ingress.exposures == (INTERNAL,) and not ingress.plain_http:
        rule = (
            "has clients inside the VPC only, and so no HTTPS, as no certificates are documented for a load balancer "
            "that is internal to several regions: accept plain HTTP by ingress.plain_http: true"
        )
        yield Problem("ingress", rule)
    elif ingress.enabled and not ingress.domains and not ingress.plain_http:
        rule = (
            "has no domain, and so no HTTPS: set ingress.domains, or accept plain HTTP by ingress.plain_http: true, "
            "which anyone on the network path can read and change"
        )
        yield Problem("ingress", rule)
    yield from check_duplicates("ingress.domains", ingress.domains)
    if ingress.api != "gateway" and ingress.exposure != EXTERNAL:
        rule = "requires ingress.api: gateway, as Multi Cluster Ingress has no internal load balancer"
        yield Problem("ingress.exposure", rule, ingress.exposure)
    elif ingress.security_policy is not None and ingress.exposure != EXTERNAL:
        rule = (
            "is not possible with an internal load balancer, which has the same backends: Cloud Armor has no policies "
            "for one that is in several regions; set ingress.exposure: external, or leave the policy out"
        )
        yield Problem("ingress.security_policy", rule, ingress.security_policy)
    members = [region for region in environment.regions.values() if not region.retired]
    if INTERNAL in ingress.exposures and len(members) > MOST_ADDRESSES:
        rule = (
            f"needs an internal address in each of {len(members)} regions, and a Gateway has {MOST_ADDRESSES} at most; "
            "set ingress.exposure: external, or divide the regions between environments"
        )
        yield Problem("ingress.exposure", rule, ingress.exposure)
    if ingress.min_replicas < LEAST_REPLICAS and not ingress.single_replica:
        rule = (
            f"leaves a region without a gateway while its only pod moves; set {LEAST_REPLICAS} or more, or "
            "ingress.single_replica: true"
        )
        yield Problem("ingress.min_replicas", rule, ingress.min_replicas)
    if ingress.min_replicas > ingress.max_replicas:
        rule = f"is more than max_replicas, {ingress.max_replicas}"
        yield Problem("ingress.min_replicas", rule, ingress.min_replicas)
