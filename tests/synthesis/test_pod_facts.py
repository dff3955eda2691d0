"""Pods of services, as the API servers get them."""

from tests.synthesized import Synthesis


def test_resources_are_as_the_api_server_stores_them(three_regions: Synthesis) -> None:
    """Otherwise the provider would find another value than it has applied."""
    (container,) = three_regions.pod("iowa", "checkout-v5")["containers"]
    assert container["resources"] == {
        "requests": {"cpu": "1", "memory": "512Mi", "ephemeral-storage": "1G"},
        "limits": {"memory": "1Gi", "ephemeral-storage": "1G"},
    }


def test_probes(three_regions: Synthesis, reference: Synthesis) -> None:
    """Fields with the API server's own default are left out."""
    (container,) = three_regions.pod("iowa", "checkout-v5")["containers"]
    ready = {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 2, "successThreshold": 2}
    assert container["readinessProbe"] == ready
    assert container["livenessProbe"] == {
        "exec": {"command": ["cat", "/tmp/$$(NAME)"]},  # the kubelet makes one $ of two
        "periodSeconds": 20,
        "timeoutSeconds": 5,
    }
    assert container["startupProbe"] == {
        "grpc": {"port": 8080},
        "initialDelaySeconds": 1,
        "periodSeconds": 5,
        "failureThreshold": 30,
    }
    (container,) = reference.pod("tokyo", "helloworld-v1")["containers"]
    assert {"livenessProbe", "startupProbe"}.isdisjoint(container)
