"""The entry: what the public address admits, and what stands behind it."""

import re

from policy.environment import Block, Place
from policy.rule import rule

GATEWAY = {"istio": "ingressgateway"}
"""Labels of the gateway's pods."""

LOAD_BALANCER = {"130.211.0.0/22", "35.191.0.0/16"}
"""Where Google's front ends ask from: https://cloud.google.com/load-balancing/docs/https#firewall-rules"""


@rule("region")
def gateway_count(_: Block, place: Place) -> bool:
    """A gateway has two pods at least, and most stay when nodes are upgraded.

    Source: https://kubernetes.io/docs/concepts/workloads/pods/disruptions/
    """
    gateways = [
        one
        for one in place.environment.objects("Deployment", place.name)
        if GATEWAY.items() <= one["spec"]["template"]["metadata"]["labels"].items()
    ]
    return all(_scaled(one, place) and _kept(one, place) for one in gateways)


def _scaled(deployment: Block, place: Place) -> bool:
    return any(
        scaler["metadata"]["namespace"] == deployment["metadata"]["namespace"]
        and scaler["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
        and scaler["spec"]["minReplicas"] >= 2
        for scaler in place.environment.objects("HorizontalPodAutoscaler", place.name)
    )


def _kept(deployment: Block, place: Place) -> bool:
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    return any(
        budget["metadata"]["namespace"] == deployment["metadata"]["namespace"]
        and budget["spec"]["selector"]["matchLabels"].items() <= labels.items()
        and (budget["spec"].get("maxUnavailable") == 1 or budget["spec"].get("minAvailable", 0) >= 1)
        for budget in place.environment.objects("PodDisruptionBudget", place.name)
    )


@rule("MultiClusterIngress")
def https_only(entry: Block, place: Place) -> bool:
    """The entry serves HTTPS, and sends there who comes by plain HTTP.

    What is asked for in plain text is read, and changed, by everybody in between.
    Source: https://cloud.google.com/kubernetes-engine/docs/how-to/multi-cluster-ingress
    """
    annotations = entry["metadata"]["annotations"]
    front_ends = [
        one
        for one in place.environment.objects("FrontendConfig", place.region)
        if one["metadata"]["name"] == annotations["networking.gke.io/frontend-config"]
        and one["metadata"]["namespace"] == entry["metadata"]["namespace"]
    ]
    return (
        len(annotations["networking.gke.io/pre-shared-certs"]) > 0
        and len(front_ends) == 1
        and front_ends[0]["spec"]["redirectToHttps"]["enabled"] is True
    )


@rule("FrontendConfig")
def tls_policy(front_end: Block, _: Place) -> bool:
    """The entry's TLS is by a policy of ours.

    Without one it is whatever oldest version Google still takes.
    Source: https://cloud.google.com/load-balancing/docs/ssl-policies-concepts
    """
    return re.fullmatch(r"\$\{google_compute_ssl_policy\.[\w-]+\.name\}", front_end["spec"]["sslPolicy"]) is not None


@rule("google_compute_ssl_policy")
def modern_tls(policy: Block, _: Place) -> bool:
    """The entry speaks TLS 1.2 or later, with modern ciphers.

    Source: https://cloud.google.com/load-balancing/docs/ssl-policies-concepts
    """
    return policy["min_tls_version"] in {"TLS_1_2", "TLS_1_3"} and policy["profile"] in {"MODERN", "RESTRICTED"}


@rule("BackendConfig")
def cloud_armor(config: Block, _: Place) -> bool:
    """A Cloud Armor policy stands before the gateways.

    It is what turns floods and known attacks away before they cost anything here.
    Source: https://cloud.google.com/armor/docs/cloud-armor-overview
    """
    return len(config["spec"]["securityPolicy"]["name"]) > 0


@rule("region")
def gateway_callers(_: Block, place: Place) -> bool:
    """Only the load balancer may ask the gateways, which it does from ranges of its own.

    From anywhere else a request comes around TLS and Cloud Armor.
    Source: https://cloud.google.com/load-balancing/docs/https#firewall-rules
    """
    policies = [
        one
        for one in place.environment.objects("AuthorizationPolicy", place.name)
        if one["spec"].get("selector", {}).get("matchLabels", {}).items() & GATEWAY.items()
    ]
    return all(
        set(sender["source"]) == {"ipBlocks"} and set(sender["source"]["ipBlocks"]) <= LOAD_BALANCER
        for policy in policies
        for one in policy["spec"]["rules"]
        for sender in one["from"]
    )
