"""Google service accounts of services: who can act as them, and from when on."""

from pathlib import Path

import yaml

from tests.synthesized import Synthesis, environment_of, minimal_configuration, synthesize

KIND = "google_service_account_iam_member"
CHECKOUT = "checkout@shop-mesh-prod.iam.gserviceaccount.com"


def test_one_binding_for_all_regions(three_regions: Synthesis) -> None:
    (binding,) = three_regions.all("ingress", KIND).values()
    assert {key: value for key, value in binding.items() if key != "//"} == {
        "service_account_id": f"projects/shop-mesh-prod/serviceAccounts/{CHECKOUT}",
        "role": "roles/iam.workloadIdentityUser",
        "member": "serviceAccount:shop-mesh-prod.svc.id.goog[apps/checkout]",
        "lifecycle": {"create_before_destroy": True},
    }
    assert not any(three_regions.all(stack, KIND) for stack in ("network", "clusters", "mesh"))


def test_the_pods_come_after_the_binding(three_regions: Synthesis) -> None:
    manifests = three_regions.all("ingress", "kubernetes_manifest")
    (binding,) = three_regions.all("ingress", KIND)

    def after(kind: str) -> list[list[str]]:
        objects = [one for one in manifests.values() if one["manifest"]["kind"] == kind]
        return [one["depends_on"] for one in objects if one["manifest"]["metadata"]["name"].startswith("checkout")]

    accounts = after("ServiceAccount")
    assert len(accounts) == 2
    assert all(f"{KIND}.{binding}" in one for one in accounts)
    deployments = after("Deployment")
    assert len(deployments) == 2
    assert all("service-checkout_service-account" in " ".join(one) for one in deployments)


def test_pods_restart_with_another_account(three_regions: Synthesis) -> None:
    for cluster, version in (("tokyo", "v4"), ("iowa", "v5")):
        account = three_regions.object(cluster, "ServiceAccount", "checkout")
        assert account["metadata"]["annotations"]["iam.gke.io/gcp-service-account"] == CHECKOUT
        pods = three_regions.object(cluster, "Deployment", f"checkout-{version}")["spec"]["template"]
        assert pods["metadata"]["annotations"]["multi-region-mesh/google-service-account"] == CHECKOUT


def test_accounts_are_shared_and_of_other_projects(tmp_path: Path) -> None:
    shared, of_a_domain = (
        "shop-pods@acme-data.iam.gserviceaccount.com",
        "pods-a@shop.example.com.iam.gserviceaccount.com",
    )
    services = {
        "a": {"image": "i", "port": 80, "service_account": shared},
        "b": {"image": "i", "port": 80, "service_account": shared, "namespace": "others"},
        "c": {"image": "i", "port": 80, "service_account": of_a_domain},
        "d": {"image": "i", "port": 80},
    }
    data = minimal_configuration(tokyo=1) | {"services": services}
    synthesis = synthesize(environment_of(yaml.safe_dump(data)), tmp_path)
    found = synthesis.all("ingress", KIND).values()
    assert sorted((one["service_account_id"], one["member"].partition("[")[2]) for one in found) == [
        (f"projects/acme-data/serviceAccounts/{shared}", "apps/a]"),
        (f"projects/acme-data/serviceAccounts/{shared}", "others/b]"),
        (f"projects/example.com:shop/serviceAccounts/{of_a_domain}", "apps/c]"),
    ]


def test_secrets_are_files_that_are_read_as_the_account(three_regions: Synthesis) -> None:
    for cluster, version in (("tokyo", "v4"), ("iowa", "v5")):
        (secrets,) = three_regions.objects(cluster, "SecretProviderClass")
        assert secrets["apiVersion"] == "secrets-store.csi.x-k8s.io/v1"
        assert secrets["metadata"]["namespace"] == "apps"
        assert secrets["spec"]["provider"] == "gke"
        assert yaml.safe_load(secrets["spec"]["parameters"]["secrets"]) == [
            {"path": "a.txt", "resourceName": "projects/42/secrets/A_1/versions/7"},
            {"path": "b.pem", "resourceName": "projects/shop-keys/secrets/b/versions/latest"},
        ]
        pod = three_regions.pod(cluster, f"checkout-{version}")
        (volume,) = (one for one in pod["volumes"] if "csi" in one)
        attributes = {"secretProviderClass": secrets["metadata"]["name"]}
        assert volume["csi"] == {
            "driver": "secrets-store-gke.csi.k8s.io",
            "readOnly": True,
            "volumeAttributes": attributes,
        }
        (mount,) = (one for one in pod["containers"][0]["volumeMounts"] if one["name"] == volume["name"])
        assert mount == {"name": volume["name"], "mountPath": "/etc/keys", "readOnly": True}


def test_the_pods_come_after_the_secrets_class(three_regions: Synthesis) -> None:
    manifests = three_regions.all("ingress", "kubernetes_manifest")
    classes = {key for key, one in manifests.items() if one["manifest"]["kind"] == "SecretProviderClass"}
    assert len(classes) == 2
    deployments = [one for one in manifests.values() if one["manifest"]["metadata"]["name"].startswith("checkout-v")]
    for one in deployments:
        if one["manifest"]["kind"] == "Deployment":
            assert classes & {needed.partition(".")[2] for needed in one["depends_on"]}
