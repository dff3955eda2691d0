"""Ingress: the public load balancer, and the gateways behind it."""

import re

from policy.environment import Block, Entity
from policy.rule import rule

GATEWAY = {"istio": "ingressgateway"}
"""Labels of the gateway's pods."""

LOAD_BALANCER = {"130.211.0.0/22", "35.191.0.0/16"}
"""The source ranges of Google's front ends: https://cloud.google.com/load-balancing/docs/https#firewall-rules"""


@rule("region")
def gateway_count(_: Block, entity: Entity) -> bool:
    """Gateways have at least two pods, and a disruption budget.

    Source: https://kubernetes.io/docs/concepts/workloads/pods/disruptions/
    """
    gateways = [
        one
        for one in entity.environment.objects("Deployment", entity.name)
        if GATEWAY.items() <= one["spec"]["template"]["metadata"]["labels"].items()
    ]
    return all(_is_scaled(one, entity) and _has_budget(one, entity) for one in gateways)


def _is_scaled(deployment: Block, entity: Entity) -> bool:
    return any(
        scaler["metadata"]["namespace"] == deployment["metadata"]["namespace"]
        and scaler["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
        and scaler["spec"]["minReplicas"] >= 2
        for scaler in entity.environment.objects("HorizontalPodAutoscaler", entity.name)
    )


def _has_budget(deployment: Block, entity: Entity) -> bool:
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    return any(
        budget["metadata"]["namespace"] == deployment["metadata"]["namespace"]
        and budget["spec"]["selector"]["matchLabels"].items() <= labels.items()
        and (budget["spec"].get("maxUnavailable") == 1 or budget["spec"].get("minAvailable", 0) >= 1)
        for budget in entity.environment.objects("PodDisruptionBudget", entity.name)
    )


@rule("MultiClusterIngress")
def https_only(ingress: Block, entity: Entity) -> bool:
    """The load balancer serves HTTPS, and redirects plain HTTP.

    Every network in between can read and change plain text.
    Source: https://cloud.google.com/kubernetes-engine/docs/how-to/multi-cluster-ingress
    """
    annotations = ingress["metadata"]["annotations"]
    front_ends = [
        one
        for one in entity.environment.objects("FrontendConfig", entity.region)
        if one["metadata"]["name"] == annotations["networking.gke.io/frontend-config"]
        and one["metadata"]["namespace"] == ingress["metadata"]["namespace"]
    ]
    return (
        len(annotations["networking.gke.io/pre-shared-certs"]) > 0
        and len(front_ends) == 1
        and front_ends[0]["spec"]["redirectToHttps"]["enabled"] is True
    )


@rule("MultiClusterService")
def own_clusters(service: Block, entity: Entity) -> bool:
    """The load balancer sends requests to clusters of this environment only, where it has a list of clusters.

    A list can name every cluster of the fleet, and whoever has the namespace there gets the requests of users.
    Source: https://cloud.google.com/kubernetes-engine/docs/how-to/multi-cluster-ingress
    """
    clusters = entity.environment.resources("google_container_cluster")
    own = {f"{cluster['location']}/{cluster['name']}" for cluster in clusters}
    return "clusters" not in service["spec"] or {one["link"] for one in service["spec"]["clusters"]} <= own


@rule("FrontendConfig")
def tls_policy(front_end: Block, _: Entity) -> bool:
    """The load balancer has an SSL policy of this environment.

    Without one, Google's default accepts old TLS versions.
    Source: https://cloud.google.com/load-balancing/docs/ssl-policies-concepts
    """
    return re.fullmatch(r"\$\{google_compute_ssl_policy\.[\w-]+\.name\}", front_end["spec"]["sslPolicy"]) is not None


@rule("google_compute_ssl_policy")
def modern_tls(policy: Block, _: Entity) -> bool:
    """SSL policies require TLS 1.2 or later, with modern ciphers.

    Source: https://cloud.google.com/load-balancing/docs/ssl-policies-concepts
    """
    return policy["min_tls_version"] in {"TLS_1_2", "TLS_1_3"} and policy["profile"] in {"MODERN", "RESTRICTED"}


@rule("BackendConfig")
def cloud_armor(config: Block, _: Entity) -> bool:
    """A Cloud Armor policy protects the gateways.

    It rejects floods and known attacks before they reach the mesh.
    Source: https://cloud.google.com/armor/docs/cloud-armor-overview
    """
    return len(config["spec"]["securityPolicy"]["name"]) > 0


@rule("region")
def gateway_callers(_: Block, entity: Entity) -> bool:
    """Only the load balancer's source ranges are authorized to call the gateways.

    Requests from other addresses bypass TLS and Cloud Armor.
    Source: https://cloud.google.com/load-balancing/docs/https#firewall-rules
    """
    policies = [
        one
        for one in entity.environment.objects("AuthorizationPolicy", entity.name)
        if one["spec"].get("selector", {}).get("matchLabels", {}).items() & GATEWAY.items()
    ]
    return all(
        set(sender["source"]) == {"ipBlocks"} and set(sender["source"]["ipBlocks"]) <= LOAD_BALANCER
        for policy in policies
        for one in policy["spec"]["rules"]
        for sender in one["from"]
    )


@rule("VirtualService")
def cors_credentials(virtual_service: Block, _: Entity) -> bool:
    """No route accepts credentials from the pages of every origin.

    Otherwise every page that a user visits can call the service as that user.
    Source: https://developer.mozilla.org/en-US/docs/Web/HTTP/Guides/CORS
    """
    policies = [one["corsPolicy"] for one in virtual_service["spec"]["http"] if "corsPolicy" in one]
    return all(
        origin.keys() == {"exact"} and origin["exact"] != "*"
        for policy in policies
        if policy.get("allowCredentials", False)
        for origin in policy["allowOrigins"]
    )
