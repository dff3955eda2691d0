"""The kubeconfig of scripts equals the one that gcloud writes."""

import pytest

from config.kubeconfig import kubeconfig
from tests.synthesized import Synthesis

HOST = "https://192.0.2.1"


def test_it_equals_the_kubeconfig_of_gcloud() -> None:
    """As googlecloudsdk/api_lib/container/kubeconfig.py has it: the plugin, without arguments."""
    content = kubeconfig(name="c", server=HOST, ca_certificate="Q0E=", account=None)
    assert content["clusters"] == [{"name": "c", "cluster": {"server": HOST, "certificate-authority-data": "Q0E="}}]
    (user,) = content["users"]
    assert user["user"]["exec"]["command"] == "gke-gcloud-auth-plugin"
    assert user["user"]["exec"]["provideClusterInfo"] is True
    assert "args" not in user["user"]["exec"]
    (context,) = content["contexts"]
    assert context["name"] == content["current-context"]
    assert context["context"] == {"cluster": "c", "user": user["name"]}


def test_impersonation_and_a_dns_endpoint() -> None:
    content = kubeconfig(name="c", server=HOST, ca_certificate=None, account="a@p.iam.gserviceaccount.com")
    assert content["clusters"][0]["cluster"] == {"server": HOST}
    arguments = content["users"][0]["user"]["exec"]["args"]
    assert arguments == ["--impersonate_service_account=a@p.iam.gserviceaccount.com"]


@pytest.mark.parametrize(
    ("part", "input_"),
    [("trust_grant", "holder_kubeconfig"), ("trust_check", "holder_kubeconfig"), ("crds_wait", "cluster_kubeconfig")],
)
def test_a_changed_kubeconfig_triggers_no_script(reference: Synthesis, part: str, input_: str) -> None:
    script = reference.one("mesh", "null_resource", part)
    assert input_ not in script["triggers"]
    assert script["provisioner"][0]["local-exec"]["environment"][input_.upper()] == f"${{each.value.{input_}}}"
    for key, inputs in script["for_each"].items():
        holder = key.split("/")[0]
        text = reference.stacks["mesh"]["locals"][inputs[input_].removeprefix("${local.").removesuffix("}")]
        assert text.startswith("${jsonencode(")
        # The cluster's own address and certificate, and no other cluster's.
        assert text.count(f"regions_{holder}_cluster_") == 2
        assert text.count("_cluster_") == 2
        assert f"matt-{holder}-cluster-1" in text
