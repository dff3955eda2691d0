"""Tests of the fake gcloud and its fake plugin, with the fake cloud and in comparison with the real programs."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from config.paths import ROOT
from tests.fake_cloud.faults import RequestFault
from tests.fake_cloud.testing import (
    CLUSTERS,
    COMPUTE,
    LOCATION,
    PROJECT,
    ApiClient,
    FakeGcp,
    enable,
    make_cluster,
    running,
)
from tests.scripts.sandbox import SCRIPTS

FAKE_TOOLS = ROOT / "tests" / "rehearsal" / "fake_tools"
PROGRAMS = ("gcloud", "gke-gcloud-auth-plugin")
PLUGIN = "gke-gcloud-auth-plugin"
NAME = f"gke_{PROJECT}_{LOCATION}_tokyo-1"
ZONE = f"{LOCATION}-a"
GLOBAL = {
    "forwarding-rules": "forwardingRules",
    "target-http-proxies": "targetHttpProxies",
    "target-https-proxies": "targetHttpsProxies",
    "url-maps": "urlMaps",
    "backend-services": "backendServices",
    "health-checks": "healthChecks",
}
FIELDS = {
    "forwardingRules": "target",
    "targetHttpProxies": "urlMap",
    "targetHttpsProxies": "urlMap",
    "urlMaps": "defaultService",
}
"""The field by which a resource refers to the next one."""

VALUE = ("--format", "json")
LIST_NAMED = ("list", "--global", "--project", PROJECT, "--filter", "name~^mci-", *VALUE)
LIST_FIREWALLS = (
    *(
        "compute",
        "firewall-rules",
        "list",
        "--project",
        PROJECT,
        "--filter",
        "name~^mci- AND network~/vpc$",
    ),
    *VALUE,
)
LIST_GROUPS = (
    *("compute", "network-endpoint-groups", "list", "--project", PROJECT),
    *("--filter", "name~^k8s1- AND network~/vpc$", *VALUE),
)


@dataclass(frozen=True)
class GcloudSandbox:
    """A fake cloud, and a PATH with a fake gcloud and plugin.

    Attributes:
        gcp: the fake cloud.
        caller: its client.
        folder: of all files.
        variables: environment of programs, without any of the project's own, as asmcli's.
    """

    gcp: FakeGcp
    caller: ApiClient
    folder: Path
    variables: dict[str, str]

    def run(self, *command: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command,
            env={**self.variables, **variables},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def get_credentials(
        self, *flags: str, name: str = "tokyo-1", gcloud: str = "gcloud", **variables: str
    ) -> "subprocess.CompletedProcess[str]":
        where = ("--location", LOCATION, "--project", PROJECT, "--quiet")
        return self.run(gcloud, "container", "clusters", "get-credentials", name, *where, *flags, **variables)

    @property
    def kubeconfig(self) -> Path:
        return Path(self.variables["KUBECONFIG"])

    def create_load_balancer(self) -> None:
        """Create the resources of a load balancer, and for each a similar one that is not part of it."""
        group = f"{self.gcp.base}{COMPUTE}/zones/{ZONE}/networkEndpointGroups/k8s1-own-mci-vpc"
        below = ""
        for collection in reversed(GLOBAL.values()):
            for name in ("mci-1", "k8s1-own-mci-2"):
                backends = {"backends": [{"group": group}]} if collection == "backendServices" else {}
                link = f"{self.gcp.base}{COMPUTE}/global/{below}/{name}"
                body = {"name": name, **backends, **({FIELDS[collection]: link} if collection in FIELDS else {})}
                self.caller.ok("POST", f"{COMPUTE}/global/{collection}", body)
            below = "urlMaps" if "target" in collection else collection
        self.caller.ok("POST", f"{COMPUTE}/global/networks", {"name": "vpc-2"})
        for network in ("vpc", "vpc-2"):
            link = f"{self.gcp.base}{COMPUTE}/global/networks/{network}"
            for name in (f"mci-{network}", f"k8s1-own-mci-{network}"):
                body = {"name": name, "network": link}
                self.caller.ok("POST", f"{COMPUTE}/global/firewalls", body)
                self.caller.ok("POST", f"{COMPUTE}/zones/{ZONE}/networkEndpointGroups", body)


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[GcloudSandbox]:
    (tmp_path / "bin").mkdir()
    for program in PROGRAMS:
        (tmp_path / "bin" / program).symlink_to(FAKE_TOOLS / program)
    with running() as gcp:
        key = tmp_path / "credentials.json"
        key.write_text(gcp.server.cloud.identity.credentials(), encoding="utf-8")
        caller = gcp.client()
        enable(caller)
        make_cluster(caller)
        variables = {
            "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE": str(key),
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": f"{gcp.base}/compute/v1/",
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_CONTAINER": f"{gcp.base}/container/",
            "CLOUDSDK_PYTHON": sys.executable,
            "HOME": str(tmp_path),
            "KUBECONFIG": str(tmp_path / "kubeconfig"),
            "PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin",
        }
        yield GcloudSandbox(gcp, caller, tmp_path, variables)


def real(program: str) -> str:
    """Return the path of a real program, or skip."""
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not on this sandbox: its fake is not compared with it")
    return found


def real_variables(sandbox: GcloudSandbox) -> dict[str, str]:
    """Return further variables of the real gcloud."""
    return {
        "CLOUDSDK_AUTH_TOKEN_HOST": f"{sandbox.gcp.base}/token",
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "1",
        "CLOUDSDK_CORE_DISABLE_FILE_LOGGING": "1",
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1",
        "CLOUDSDK_PYTHON": "",
        "KUBECONFIG": str(sandbox.folder / "kubeconfig-of-the-real-one"),
        "PATH": os.environ["PATH"],
        "USE_GKE_GCLOUD_AUTH_PLUGIN": "True",
    }


# --- gcloud container clusters get-credentials


@pytest.mark.parametrize(("flags", "server"), [((), "192.0.2.1"), (("--internal-ip",), "192.168.8.2")])
def test_a_kubeconfig(sandbox: GcloudSandbox, flags: tuple[str, ...], server: str) -> None:
    result = sandbox.get_credentials(*flags)
    assert result.returncode == 0, result.stderr
    assert sandbox.kubeconfig.stat().st_mode & 0o777 == 0o600
    content = yaml.safe_load(sandbox.kubeconfig.read_text(encoding="utf-8"))
    cluster = {"certificate-authority-data": "Q0VSVA==", "server": f"https://{server}"}
    assert content["clusters"] == [{"name": NAME, "cluster": cluster}]
    assert content["contexts"] == [{"name": NAME, "context": {"cluster": NAME, "user": NAME}}]
    assert content["current-context"] == content["users"][0]["name"] == NAME
    assert content["users"][0]["user"]["exec"]["command"] == PLUGIN


def test_the_dns_endpoint(sandbox: GcloudSandbox) -> None:
    result = sandbox.get_credentials("--dns-endpoint")
    assert result.returncode == 1
    assert "allowExternalTraffic is disabled for cluster tokyo-1" in result.stderr
    assert not sandbox.kubeconfig.exists()
    update = {"desiredControlPlaneEndpointsConfig": {"dnsEndpointConfig": {"allowExternalTraffic": True}}}
    sandbox.caller.ok("PUT", f"{CLUSTERS}/tokyo-1", {"update": update})
    assert sandbox.get_credentials("--dns-endpoint").returncode == 0
    (cluster,) = yaml.safe_load(sandbox.kubeconfig.read_text(encoding="utf-8"))["clusters"]
    assert cluster["cluster"] == {"server": f"https://gke-tokyo-1.{LOCATION}.gke.goog"}


def test_a_cluster_that_has_no_address_yet(sandbox: GcloudSandbox) -> None:
    del sandbox.gcp.server.cloud.store.get(CLUSTERS.removeprefix("/container/v1/") + "/tokyo-1")["endpoint"]
    result = sandbox.get_credentials()
    assert result.returncode == 1
    assert "missing endpoint" in result.stderr


def test_the_scripts_see_that_a_cluster_is_deleted(sandbox: GcloudSandbox) -> None:
    lines = 'source "$LIB"; make_workspace; credentials_or_gone "$WORK/kubeconfig" "$1" "$2"; echo "still there"'
    inputs = {"LIB": str(SCRIPTS / "lib.sh"), "PROJECT": PROJECT, "ENDPOINT": "public"}
    for cluster, words in (("tokyo-1", "still there"), ("osaka-1", "cluster osaka-1 no longer exists")):
        result = sandbox.run("bash", "-c", lines, "script", cluster, LOCATION, **inputs)
        assert result.returncode == 0, result.stderr
        assert words in result.stdout
    sandbox.gcp.server.cloud.faults.add(RequestFault("GET .*/clusters/", 403, 1))
    result = sandbox.run("bash", "-c", lines, "script", "osaka-1", LOCATION, **inputs)
    assert result.returncode == 1
    assert "can't reach cluster osaka-1" in result.stderr


def test_a_busy_api_is_called_again(sandbox: GcloudSandbox) -> None:
    faults = sandbox.gcp.server.cloud.faults
    faults.add(RequestFault("GET .*/clusters/", 429, 1))
    faults.add(RequestFault("GET .*/clusters/", 0, 1))
    assert sandbox.get_credentials().returncode == 0
    assert faults.taken == 2
    sandbox.kubeconfig.unlink()
    faults.add(RequestFault("GET .*/clusters/", 503, 1))
    result = sandbox.get_credentials()
    assert result.returncode == 1
    assert "code=503" in result.stderr


# --- gcloud compute KIND list


def listed_names(printed: str) -> list[str]:
    return [one["name"] for one in json.loads(printed)]


def test_lists(sandbox: GcloudSandbox) -> None:
    sandbox.create_load_balancer()
    for kind in GLOBAL:
        result = sandbox.run("gcloud", "compute", kind, *LIST_NAMED)
        assert (result.returncode, listed_names(result.stdout)) == (0, ["mci-1"]), result.stderr
    assert listed_names(sandbox.run("gcloud", *LIST_FIREWALLS).stdout) == ["mci-vpc"]
    assert listed_names(sandbox.run("gcloud", *LIST_GROUPS).stdout) == ["k8s1-own-mci-vpc"]


def test_the_script_that_waits_for_the_load_balancer(sandbox: GcloudSandbox) -> None:
    def wait() -> "subprocess.CompletedProcess[str]":
        script = str(SCRIPTS / "wait-for-load-balancer-cleanup.sh")
        return sandbox.run("bash", script, PROJECT=PROJECT, ENDPOINT="public", VPC="vpc", WAIT_SECONDS="-1")

    result = wait()
    assert result.returncode == 0, result.stderr
    assert "resources are deleted" in result.stdout
    sandbox.create_load_balancer()
    result = wait()
    assert result.returncode == 1
    left = [f"{kind}: mci-1" for kind in GLOBAL]
    left += ["firewall-rules: mci-vpc", "network-endpoint-groups: k8s1-own-mci-vpc"]
    assert result.stderr.splitlines()[:-1] == left


def test_the_script_that_deletes_what_a_mesh_leaves(sandbox: GcloudSandbox) -> None:
    """In its region, of its cluster, and on its network."""
    sandbox.caller.ok("POST", f"{COMPUTE}/global/networks", {"name": "vpc-2"})
    link = f"{sandbox.gcp.base}{COMPUTE}/global/networks/"
    groups = [("gsmrsvd-a", ZONE, "vpc"), ("gsmrsvd-b", ZONE, "vpc-2"), ("gsmrsvd-c", "us-east1-b", "vpc")]
    for name, zone, network in [*groups, ("k8s1-a", ZONE, "vpc")]:
        body = {"name": name, "network": link + network}
        sandbox.caller.ok("POST", f"{COMPUTE}/zones/{zone}/networkEndpointGroups", body)
    rules = [
        ("gke-tokyo-1-0123abcd-mcsd", "vpc"),
        ("gke-osaka-1-0123abcd-mcsd", "vpc"),
        ("gke-tokyo-1-0123abcd-all", "vpc"),
    ]
    for name, network in rules:
        sandbox.caller.ok("POST", f"{COMPUTE}/global/firewalls", {"name": name, "network": link + network})
    script = str(SCRIPTS / "delete-mesh-networking.sh")
    inputs = {"VPC": "vpc", "LOCATION": ZONE[:-2], "CLUSTER": "tokyo-1"}
    result = sandbox.run("bash", script, PROJECT=PROJECT, ENDPOINT="public", **inputs)
    assert result.returncode == 0, result.stderr
    left = {path.rpartition("/")[2] for path in sandbox.gcp.server.cloud.store.all()}
    assert {"gsmrsvd-a", "gke-tokyo-1-0123abcd-mcsd"}.isdisjoint(left)
    assert {"gsmrsvd-b", "gsmrsvd-c", "k8s1-a", "gke-osaka-1-0123abcd-mcsd", "gke-tokyo-1-0123abcd-all"} <= left


def test_lists_of_an_api_that_does_not_answer(sandbox: GcloudSandbox) -> None:
    """The real gcloud fails for firewall rules only: see the comparison below."""
    sandbox.create_load_balancer()
    faults = sandbox.gcp.server.cloud.faults
    faults.add(RequestFault("GET .*/(firewalls|healthChecks)$", 503, 2))
    result = sandbox.run("gcloud", "compute", "health-checks", *LIST_NAMED)
    assert (result.returncode, result.stdout) == (0, "[]\n")
    assert "Some requests did not succeed" in result.stderr
    result = sandbox.run("gcloud", *LIST_FIREWALLS)
    assert (result.returncode, result.stdout) == (1, "")
    faults.add(RequestFault("GET .*/healthChecks$", 0, 1))
    assert sandbox.run("gcloud", "compute", "health-checks", *LIST_NAMED).returncode == 1


# --- the plugin


@pytest.mark.parametrize(
    ("flags", "variable"),
    [
        ((), "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE"),
        (("--use_application_default_credentials",), "GOOGLE_APPLICATION_CREDENTIALS"),
    ],
)
def test_the_plugin(sandbox: GcloudSandbox, flags: tuple[str, ...], variable: str) -> None:
    key = sandbox.variables.pop("CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE")
    result = sandbox.run(PLUGIN, *flags)
    assert result.returncode == 2
    assert variable in result.stderr
    result = sandbox.run(PLUGIN, *flags, **{variable: key})
    assert result.returncode == 0, result.stderr
    credential = json.loads(result.stdout)
    assert credential["apiVersion"] == "client.authentication.k8s.io/v1beta1"
    assert credential["kind"] == "ExecCredential"
    assert sandbox.gcp.server.cloud.identity.is_valid(credential["status"]["token"])
    expiry = datetime.fromisoformat(credential["status"]["expirationTimestamp"]) - datetime.now(UTC)
    assert timedelta(minutes=50) < expiry < timedelta(minutes=61)


# --- refusals


@pytest.mark.parametrize(
    "command",
    [
        ("gcloud", "version"),
        ("gcloud", "container", "clusters", "list", "--project", PROJECT),
        ("gcloud", "compute", "url-maps", *LIST_NAMED, "--limit", "1"),
        ("gcloud", "compute", "url-maps", *(one for one in LIST_NAMED if one != "--global")),
        ("gcloud", *LIST_FIREWALLS, "--global"),
        ("gcloud", *(one.replace("AND", "OR") for one in LIST_FIREWALLS)),
        ("gcloud", *(one.replace("json", "value(priority)") for one in LIST_FIREWALLS)),
        (PLUGIN, "--impersonate_service_account", "a@b"),
    ],
)
def test_they_refuse_unknown_commands(sandbox: GcloudSandbox, command: tuple[str, ...]) -> None:
    before = sandbox.gcp.server.journal.count()
    result = sandbox.run(*command)
    assert (result.returncode, result.stdout) == (2, "")
    assert sandbox.gcp.server.journal.count() == before


def test_they_impersonate_no_account_and_overwrite_no_file(sandbox: GcloudSandbox) -> None:
    result = sandbox.get_credentials(CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT="a@b")
    assert result.returncode == 2
    assert "can't act as another account" in result.stderr
    sandbox.kubeconfig.write_text("the user's own", encoding="utf-8")
    assert sandbox.get_credentials().returncode == 2
    assert sandbox.kubeconfig.read_text(encoding="utf-8") == "the user's own"


# --- comparison with the real programs


def test_kubeconfigs_equal_those_of_the_real_gcloud(sandbox: GcloudSandbox) -> None:
    gcloud, variables = real("gcloud"), real_variables(sandbox)
    assert sandbox.get_credentials().returncode == 0
    assert sandbox.get_credentials(gcloud=gcloud, **variables).returncode == 0
    other = Path(variables["KUBECONFIG"])
    assert sandbox.kubeconfig.read_text(encoding="utf-8") == other.read_text(encoding="utf-8")
    sandbox.kubeconfig.unlink()
    fake = sandbox.get_credentials(name="osaka-1")
    other_result = sandbox.get_credentials(name="osaka-1", gcloud=gcloud, **variables)
    line = f"ResponseError: code=404, message=Not found: projects/{PROJECT}/locations/{LOCATION}/clusters/osaka-1."
    for result in (fake, other_result):
        assert result.returncode == 1
        assert line in result.stderr


def test_lists_equal_those_of_the_real_gcloud(sandbox: GcloudSandbox) -> None:
    gcloud, variables = real("gcloud"), real_variables(sandbox)
    sandbox.create_load_balancer()
    named = ("compute", "url-maps", *LIST_NAMED)

    def both(*command: str) -> list[tuple[int, list[str]]]:
        results = sandbox.run("gcloud", *command), sandbox.run(gcloud, *command, **variables)
        return [(result.returncode, listed_names(result.stdout or "[]")) for result in results]

    for command, name in ((named, "mci-1"), (LIST_FIREWALLS, "mci-vpc"), (LIST_GROUPS, "k8s1-own-mci-vpc")):
        assert both(*command) == [(0, [name])] * 2
    sandbox.gcp.server.cloud.faults.add(RequestFault("GET .*/(firewalls|urlMaps)$", 503, 4))
    assert both(*named) == [(0, [])] * 2
    assert both(*LIST_FIREWALLS) == [(1, [])] * 2


def test_the_real_plugin_takes_its_token_from_the_fake_gcloud(sandbox: GcloudSandbox) -> None:
    result = sandbox.run(real(PLUGIN))
    assert result.returncode == 0, result.stderr
    assert sandbox.gcp.server.cloud.identity.is_valid(json.loads(result.stdout)["status"]["token"])
