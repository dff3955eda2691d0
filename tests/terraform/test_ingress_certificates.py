"""What HTTPS needs, made by the real google provider in the emulated cloud; skipped where it is not to be had."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.fake_cloud.testing import COMPUTE, PROJECT, ApiClient, FakeGcp, enable, running
from tests.synthesized import Synthesis, environment_of, synthesize
from tests.terraform.terraform import initialized, terraform

PLACE = f"projects/{PROJECT}/global"
GOOGLE = "google_"
SILENT_PROXY = "http://127.0.0.1:9"
"""Nobody listens there: the provider would ask openidconnect.googleapis.com who it is, for its log."""


@dataclass
class Entry:
    """The Google Cloud part of a stack `ingress`, applied to the fake cloud."""

    gcp: FakeGcp
    folder: Path

    def write(self, name: str, domains: str) -> None:
        """Synthesize an environment, and leave of its stack what Google Cloud has.

        Args:
            domains: YAML of the list.
        """
        text = f"project: {{id: {PROJECT}, name_prefix: matt}}\nregions: {{a: {{region: asia-east1, number: 3}}}}\n"
        text += f"ingress: {{config_cluster: a, domains: {domains}}}\ncluster: {{endpoint: dns}}\n"
        folder = self.folder / name
        folder.mkdir()
        made = synthesize(environment_of(text), folder)
        content = {"terraform": _required(made), "provider": {"google": [{"project": PROJECT}]}}
        content["resource"] = {
            kind: resources for kind, resources in made.stacks["ingress"]["resource"].items() if kind.startswith(GOOGLE)
        }
        self.terraform_folder.mkdir(exist_ok=True)
        (self.terraform_folder / "main.tf.json").write_text(json.dumps(content), encoding="utf-8")

    @property
    def terraform_folder(self) -> Path:
        return self.folder / "terraform"

    def run(self, *arguments: str) -> str:
        variables = {**self.gcp.server.variables(), "GOOGLE_OAUTH_ACCESS_TOKEN": self.gcp.token()}
        proxies = {"HTTPS_PROXY": SILENT_PROXY, "NO_PROXY": "127.0.0.1"}
        result = terraform(self.terraform_folder, *arguments, **variables, **proxies)
        assert result.returncode == 0, result.stderr
        return result.stdout

    def names(self, collection: str) -> set[str]:
        found = self.gcp.server.cloud.store.under(f"{PLACE}/{collection}")
        return {resource["name"] for _, resource in found}


def _required(made: Synthesis) -> Mapping[str, Any]:
    providers = made.stacks["ingress"]["terraform"]["required_providers"]
    return {"required_providers": {"google": providers["google"]}}


@pytest.fixture
def entry(_providers: None, tmp_path: Path) -> Iterator[Entry]:
    with running() as gcp:
        enable(gcp.client())
        yield Entry(gcp, tmp_path)


def test_certificates_are_made_and_come_and_go_with_their_domains(entry: Entry) -> None:
    entry.write("first", "[shop.example.com, www.example.com]")
    initialized(entry.terraform_folder)
    assert "Apply complete! Resources: 4 added" in entry.run("apply", "-auto-approve")
    first = entry.names("sslCertificates")
    assert len(first) == 2
    assert entry.names("sslPolicies") == {"matt-ingress"}
    policy = entry.gcp.server.cloud.store.get(f"{PLACE}/sslPolicies/matt-ingress")
    assert (policy["profile"], policy["minTlsVersion"]) == ("MODERN", "TLS_1_2")
    # That a certificate is not made yet is no drift.
    assert "No changes." in entry.run("plan")

    entry.write("second", "[shop.example.com, new.example.com]")
    entry.run("apply", "-auto-approve")
    second = entry.names("sslCertificates")
    assert len(second) == 2
    assert {name for name in first & second if "shop" in name}
    assert {name for name in second - first if "new" in name}

    entry.run("destroy", "-auto-approve")
    assert entry.names("sslCertificates") == entry.names("sslPolicies") == entry.names("addresses") == set()
    assert entry.gcp.server.journal.unknown() == []


def test_a_certificate_that_the_load_balancer_has_does_not_go(entry: Entry) -> None:
    """As at Google: hence the wait for the load balancer's end comes before it."""
    caller: ApiClient = entry.gcp.client()
    caller.ok("POST", f"{COMPUTE}/global/sslCertificates", {"name": "c", "managed": {"domains": ["a.example"]}})
    link = f"https://www.googleapis.com/compute/v1/{PLACE}/sslCertificates/c"
    caller.ok("POST", f"{COMPUTE}/global/targetHttpsProxies", {"name": "p", "sslCertificates": [link]})
    refusal = caller.error("DELETE", f"{COMPUTE}/global/sslCertificates/c")
    assert refusal.reason == "resourceInUseByAnotherResource"
    assert caller.ok("GET", f"{COMPUTE}/global/sslCertificates/c")["managed"]["status"] == "PROVISIONING"
