"""Pods of services, as the API servers get them."""

import json

from tests.kubelet import expand
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
        "grpc": {"port": 9091},
        "initialDelaySeconds": 1,
        "periodSeconds": 5,
        "failureThreshold": 30,
    }
    (container,) = reference.pod("tokyo", "helloworld-v1")["containers"]
    assert {"livenessProbe", "startupProbe"}.isdisjoint(container)


def test_commands_are_literal(three_regions: Synthesis) -> None:
    (container,) = three_regions.pod("iowa", "checkout-v5")["containers"]
    assert container["command"] == ["/shop/serve"]
    assert [expand(word, {"GREETING": "hello"}) for word in container["args"]] == ["--greeting=$(GREETING)", ""]


def test_secrets_and_config_maps_are_references(three_regions: Synthesis) -> None:
    """No value of theirs is in the state. Variables in `env` are in the order of their names."""
    (container,) = three_regions.pod("iowa", "checkout-v5")["containers"]
    by_name = {one["name"]: one.get("valueFrom") for one in container["env"]}
    assert by_name == {
        "DATABASE": None,
        "GREETING": None,
        "NOTHING": None,
        "PASSWORD": {"secretKeyRef": {"name": "database", "key": "password"}},
        "POD": {"fieldRef": {"fieldPath": "metadata.name"}},
        "SETTINGS": {"configMapKeyRef": {"name": "settings", "key": "settings.json", "optional": True}},
        "VERSION": None,
    }
    assert container["envFrom"] == [
        {"prefix": "KEY_", "secretRef": {"name": "keys"}},
        {"configMapRef": {"name": "settings", "optional": True}},
    ]


def test_a_region_has_variables_of_its_own(three_regions: Synthesis) -> None:
    env = {
        region: {one["name"]: one.get("value") for one in three_regions.pod(region, name)["containers"][0]["env"]}
        for region, name in (("iowa", "checkout-v5"), ("tokyo", "checkout-v4"))
    }
    assert (env["iowa"]["DATABASE"], env["iowa"]["NOTHING"]) == ("iowa.database.example", "something")
    assert "DATABASE" not in env["tokyo"]
    assert env["tokyo"]["NOTHING"] is None


def test_labels_are_those_of_pods_and_select_none(three_regions: Synthesis) -> None:
    deployment = three_regions.object("iowa", "Deployment", "checkout-v5")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert labels.pop("multi-region-mesh/template")
    assert labels == {"app": "checkout", "version": "v5", "team": "shop", "example.com/cost-center": "42"}
    assert deployment["spec"]["selector"]["matchLabels"] == {"app": "checkout", "version": "v5"}


def test_volumes(three_regions: Synthesis) -> None:
    pod = three_regions.pod("iowa", "checkout-v5")
    (container,) = pod["containers"]
    files = {one["mountPath"]: one["subPath"] for one in container["volumeMounts"] if "subPath" in one}
    assert files == {"/etc/nginx/shop.conf": "nginx.conf"}
    sources = {one["name"]: {key: value for key, value in one.items() if key != "name"} for one in pod["volumes"]}
    assert len(sources) == len(pod["volumes"]), "names are unique"
    mounted = {one["mountPath"]: (sources[one["name"]], one.get("readOnly")) for one in container["volumeMounts"]}
    assert mounted == {
        "/tmp": ({"emptyDir": {}}, None),
        "/etc/database": ({"secret": {"secretName": "database"}}, True),
        "/etc/keys": (
            {
                "csi": {
                    "driver": "secrets-store-gke.csi.k8s.io",
                    "readOnly": True,
                    "volumeAttributes": {"secretProviderClass": "checkout-8b2531e5"},
                }
            },
            True,
        ),
        "/etc/shop": ({"configMap": {"name": "settings"}}, True),
        "/etc/nginx/shop.conf": ({"configMap": {"name": "settings"}}, True),
        "/var/cache/shop": ({"emptyDir": {"sizeLimit": "1G"}}, None),
        "/scratch": ({"emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}}, None),
    }


def test_pods_are_spread_and_end_in_time(three_regions: Synthesis, reference: Synthesis) -> None:
    pod = three_regions.pod("iowa", "checkout-v5")
    zone, node = pod["topologySpreadConstraints"]
    assert (zone["topologyKey"], zone["whenUnsatisfiable"]) == ("topology.kubernetes.io/zone", "DoNotSchedule")
    assert (node["topologyKey"], node["whenUnsatisfiable"]) == ("kubernetes.io/hostname", "ScheduleAnyway")
    for one in (zone, node):
        assert one["labelSelector"]["matchLabels"] == {"app": "checkout", "version": "v5"}
        assert (one["maxSkew"], one["nodeTaintsPolicy"]) == (1, "Honor")
    assert pod["terminationGracePeriodSeconds"] == 90
    assert pod["containers"][0]["lifecycle"] == {"preStop": {"sleep": {"seconds": 20}}}
    # A sidecar that is a normal container would end 5 s after the pod's deletion, before its application.
    template = three_regions.object("iowa", "Deployment", "checkout-v5")["spec"]["template"]
    assert json.loads(template["metadata"]["annotations"]["proxy.istio.io/config"]) == {
        "terminationDrainDuration": "20s"
    }
    template = reference.object("tokyo", "Deployment", "helloworld-v1")["spec"]["template"]
    assert "annotations" not in template["metadata"]
    assert {"terminationGracePeriodSeconds", "topologySpreadConstraints"}.isdisjoint(template["spec"])
