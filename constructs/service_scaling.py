"""The number of pods of a service: what sets it, and how a deploy knows that all are healthy."""

from typing import Any

from config.services.scaling import Autoscaling
from constructs.manifest_file import render


def autoscaler_manifest(deployment: dict[str, Any], scaling: Autoscaling) -> dict[str, Any]:
    """Return the HorizontalPodAutoscaler of a service's Deployment.

    It measures the service's own container: the use of the mesh's proxy is in percent of a request that is not in the
    configuration.
    """
    metadata = deployment["metadata"]
    metrics = [
        {
            "type": "ContainerResource",
            "containerResource": {
                "name": resource,
                "container": metadata["labels"]["app"],
                "target": {"type": "Utilization", "averageUtilization": percent},
            },
        }
        for resource, percent in scaling.targets.items()
    ]
    return render(
        "service/horizontal-pod-autoscaler.yaml",
        {
            "app": metadata["labels"]["app"],
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "min_replicas": scaling.min_replicas,
            "max_replicas": scaling.max_replicas,
            "metrics": metrics,
        },
    )


def healthy_fields(scaling: Autoscaling | int) -> dict[str, str]:
    """Return which fields of a disruption budget, by expressions, show that all pods of its template are healthy.

    An autoscaler's number is not known. One pod may be disrupted only if all that the Deployment wants are healthy, and
    before the autoscaler has seen it, it wants one.
    """
    if isinstance(scaling, int):
        return {"status.currentHealthy": f"^{scaling}$"}
    return {"status.currentHealthy": at_least(scaling.min_replicas), "status.disruptionsAllowed": "^[1-9]"}


def at_least(number: int) -> str:
    """Return an expression for a number and all that are larger, in decimal digits."""
    digits = str(number)
    larger = [
        f"{digits[:index]}[{int(digit) + 1}-9]{'[0-9]' * (len(digits) - index - 1)}"
        for index, digit in enumerate(digits)
        if digit != "9"
    ]
    return f"^({'|'.join([digits, *larger, f'[1-9][0-9]{{{len(digits)},}}'])})$"
