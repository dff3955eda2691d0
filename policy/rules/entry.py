"""The entry: what the public address admits, and what stands behind it."""

from policy.environment import Block, Place
from policy.rule import rule

GATEWAY = {"istio": "ingressgateway"}
"""Labels of the gateway's pods."""


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
