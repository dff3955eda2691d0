"""Durations of operations in the cloud."""

from dataclasses import dataclass

SECONDS = {
    "address": 5.0,
    "certificate": 10.0,
    "cluster": 360.0,
    "cluster-delete": 240.0,
    "cluster-update": 60.0,
    "feature": 15.0,
    "feature-controller": 40.0,
    "feature-release": 300.0,
    "firewall": 10.0,
    "load-balancer": 240.0,
    "load-balancer-delete": 120.0,
    "mesh": 300.0,
    "network": 15.0,
    "nodes": 120.0,
    "router": 10.0,
    "service-agent": 30.0,
    "services": 20.0,
    "subnetwork": 20.0,
    "webhook": 60.0,
}
"""Seconds by operation: usual durations, from memory and not measured.

- `feature-controller`: from a fleet feature to the CRDs of its controller
- `feature-release`: from the end of its last cloud resource until a feature can be deleted ("about 5 minutes")
- `mesh`: from asmcli's request to a control plane
- `service-agent`: from the creation of a feature to its service agent
- `webhook`: from a provisioned control plane of the fleet to its injector
"""


@dataclass(frozen=True)
class Latencies:
    """The durations, scaled.

    Attributes:
        scale: 1 for the cloud's own, 0 for none.
        patience: seconds for which the response to a poll of an operation waits for its end. In the cloud none
            does, and the provider polls every ten seconds, longer than any operation takes at a small scale.
    """

    scale: float
    patience: float = 0.0

    def of(self, name: str) -> float:
        """Return seconds."""
        return SECONDS[name] * self.scale
