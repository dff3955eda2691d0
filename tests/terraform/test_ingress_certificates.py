"""Certificates and SSL policies, created in the fake cloud by the real google provider."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.fake_cloud.testing import APIS, COMPUTE, PROJECT, ApiClient, FakeGcp, enable, running
from tests.synthesized import environment_of, synthesize
from tests.terraform.google_cloud import google_variables
from tests.terraform.terraform import APPLY, initialized, run_terraform

PLACE = f"projects/{PROJECT}/global"
GOOGLE = "google_"
MANIFEST, DATA = "kubernetes_manifest", "terraform_data"
NONE = "[]"

Resources = dict[str, dict[str, dict[str, Any]]]
"""By type and name."""


@dataclass
class IngressResources:
    """The Google Cloud resources of stack `ingress`, in the fake cloud."""

    gcp: FakeGcp
    folder: Path

    def write(self, name: str, domains: str, api: str = "multi-cluster-ingress", *, objects: bool = False) -> None:
        """Synthesize an environment, and write a stack with the Google Cloud resources.

        Args:
            name: a new folder's name.
            domains: the list of domains in YAML.
            api: of the ingress.
            objects: with a `terraform_data` for each object in the clusters, which has its content and dependencies.
        """
        text = f"project: {{id: {PROJECT}, name_prefix: matt}}\nregions: {{a: {{region: asia-east1, number: 3}}}}\n"
        plain = str(domains == NONE).lower()
        text += f"ingress: {{config_cluster: a, api: {api}, domains: {domains}, plain_http: {plain}}}\n"
        text += "cluster: {endpoint: dns}\n"
        folder = self.folder / name
        folder.mkdir()
        stack = synthesize(environment_of(text), folder).stacks["ingress"]
        providers = {"google": stack["terraform"]["required_providers"]["google"]}
        content = {"terraform": {"required_providers": providers}, "provider": {"google": [{"project": PROJECT}]}}
        resources: Resources = {
            kind: {name: _standalone(one, objects=objects) for name, one in found.items()}
            for kind, found in stack["resource"].items()
            if kind.startswith(GOOGLE)
        }
        if objects:
            manifests = stack["resource"]["kubernetes_manifest"]
            resources[DATA] = {name: _data(one) for name, one in manifests.items()}
        self.terraform_folder.mkdir(exist_ok=True)
        (self.terraform_folder / "main.tf.json").write_text(
            json.dumps({**content, "resource": resources}), encoding="utf-8"
        )

    @property
    def terraform_folder(self) -> Path:
        return self.folder / "terraform"

    def object_of(self, name_of_kind: str) -> str:
        """Return the address of the only object of a kind or a GatewayClass."""
        content = json.loads((self.terraform_folder / "main.tf.json").read_text(encoding="utf-8"))
        objects = content["resource"][DATA].items()
        [found] = [name for name, one in objects if name_of_kind in (one["input"]["kind"], _class(one["input"]))]
        return f"{DATA}.{found}"

    def run(self, *arguments: str) -> str:
        variables = google_variables(self.gcp) | {"GOOGLE_OAUTH_ACCESS_TOKEN": self.gcp.token()}
        return run_terraform(self.terraform_folder, *arguments, **variables)

    def names(self, collection: str, place: str = PLACE) -> set[str]:
        found = self.gcp.server.cloud.store.under(f"{place}/{collection}")
        return {path.rpartition("/")[2] for path, _ in found}


def _standalone(block: dict[str, Any], *, objects: bool) -> dict[str, Any]:
    """Return a resource without its dependencies on what the stack does not have."""
    renamed = [one.replace(f"{MANIFEST}.", f"{DATA}.") for one in block.get("depends_on", ())]
    kept = [one for one in renamed if one.startswith((GOOGLE, DATA) if objects else GOOGLE)]
    return {**{key: value for key, value in block.items() if key != "depends_on"}, "depends_on": kept}


def _class(manifest: dict[str, Any]) -> str | None:
    found: str | None = manifest.get("spec", {}).get("gatewayClassName")
    return found


def _data(block: dict[str, Any]) -> dict[str, Any]:
    """Return an object of a cluster as a resource that is changed in place, too."""
    wanted = {"input": block["manifest"], "depends_on": block.get("depends_on", ())}
    return _standalone(wanted, objects=True)


@pytest.fixture
def ingress(_providers: None, tmp_path: Path) -> Iterator[IngressResources]:
    with running() as gcp:
        enable(gcp.client(), *APIS, "certificatemanager")
        yield IngressResources(gcp, tmp_path)


def test_certificates_are_added_and_removed_with_their_domains(ingress: IngressResources) -> None:
    ingress.write("first", "[shop.example.com, www.example.com]")
    initialized(ingress.terraform_folder)
    assert "Apply complete! Resources: 4 added" in ingress.run(*APPLY)
    first = ingress.names("sslCertificates")
    assert len(first) == 2
    assert ingress.names("sslPolicies") == {"matt-ingress"}
    policy = ingress.gcp.server.cloud.store.get(f"{PLACE}/sslPolicies/matt-ingress")
    assert (policy["profile"], policy["minTlsVersion"]) == ("MODERN", "TLS_1_2")
    # A certificate that is still being provisioned is no drift.
    assert "No changes." in ingress.run("plan")

    ingress.write("second", "[shop.example.com, new.example.com]")
    ingress.run(*APPLY)
    second = ingress.names("sslCertificates")
    assert len(second) == 2
    assert {name for name in first & second if "shop" in name}
    assert {name for name in second - first if "new" in name}

    ingress.run("destroy", "-auto-approve")
    assert ingress.names("sslCertificates") == ingress.names("sslPolicies") == ingress.names("addresses") == set()
    assert ingress.gcp.server.journal.unknown() == []


def test_a_certificate_map_has_an_entry_for_each_domain(ingress: IngressResources) -> None:
    place = f"projects/{PROJECT}/locations/global"
    ingress.write("first", "[shop.example.com, www.example.com]", "gateway")
    initialized(ingress.terraform_folder)
    ingress.run(*APPLY)
    assert ingress.names("certificateMaps", place) == {"matt-ingress"}
    entries = ingress.names("certificateMapEntries", f"{place}/certificateMaps/matt-ingress")
    assert len(entries) == 2
    assert ingress.names("certificates", place) == ingress.names("dnsAuthorizations", place) == entries
    assert ingress.names("sslCertificates") == set()
    # Responses have the project's number, and the certificates become active.
    assert "No changes." in ingress.run("plan")
    ingress.gcp.server.certificates.records |= {"_acme-challenge.shop.example.com.", "_acme-challenge.www.example.com."}
    assert "No changes." in ingress.run("plan")

    ingress.write("second", "[shop.example.com]", "gateway")
    assert "0 added, 0 changed, 3 destroyed" in ingress.run(*APPLY)
    ingress.run("destroy", "-auto-approve")
    for collection in ("certificates", "certificateMaps", "dnsAuthorizations"):
        assert ingress.names(collection, place) == set()
    assert ingress.gcp.server.journal.unknown() == []


def test_a_certificate_of_a_load_balancer_can_not_be_deleted(ingress: IngressResources) -> None:
    """As at Google, so that terraform waits until the load balancer is deleted."""
    caller: ApiClient = ingress.gcp.client()
    caller.ok("POST", f"{COMPUTE}/global/sslCertificates", {"name": "c", "managed": {"domains": ["a.example"]}})
    link = f"https://www.googleapis.com/compute/v1/{PLACE}/sslCertificates/c"
    caller.ok("POST", f"{COMPUTE}/global/targetHttpsProxies", {"name": "p", "sslCertificates": [link]})
    refusal = caller.error("DELETE", f"{COMPUTE}/global/sslCertificates/c")
    assert refusal.reason == "resourceInUseByAnotherResource"
    assert caller.ok("GET", f"{COMPUTE}/global/sslCertificates/c")["managed"]["status"] == "PROVISIONING"


@pytest.mark.parametrize(
    ("api", "load_balancer", "used"),
    [
        ("gateway", "gke-l7-global-external-managed-mc", ("certificate_manager_certificate_map.", "ssl_policy.")),
        ("multi-cluster-ingress", "MultiClusterIngress", ("managed_ssl_certificate.", "ssl_policy.")),
    ],
)
def test_without_domains_the_load_balancer_changes_before_what_it_used_is_deleted(
    ingress: IngressResources, api: str, load_balancer: str, used: tuple[str, ...]
) -> None:
    """Otherwise the deletion would be refused again and again, as the change would wait for it."""
    ingress.write("first", "[shop.example.com]", api, objects=True)
    initialized(ingress.terraform_folder)
    ingress.run(*APPLY)
    ingress.write("second", NONE, api, objects=True)
    lines = ingress.run(*APPLY).splitlines()

    def find(*words: str) -> int:
        found = [at for at, line in enumerate(lines) if all(word in line for word in words)]
        assert len(found) == 1, words
        return found[0]

    changed = find(ingress.object_of(load_balancer), "Modifications complete")
    for kind in used:
        assert changed < find(kind, "Destroying")
