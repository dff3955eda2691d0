"""The stand-ins for gcloud and its plugin, against the emulated cloud and beside the real ones."""

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
VALUE = ("--format", "value(name)")
LIST_NAMED = ("list", "--global", "--project", PROJECT, "--filter", "name~^mci-", *VALUE)
LIST_FIREWALLS = (
    *("compute", "firewall-rules", "list", "--project", PROJECT, "--filter", "name~^mci- AND network~/vpc$"),
    *VALUE,
)
LIST_GROUPS = (
    *("compute", "network-endpoint-groups", "list", "--project", PROJECT),
    *("--filter", "name~-mci- AND network~/vpc$", *VALUE),
)


@dataclass(frozen=True)
class Machine:
    """A machine whose gcloud and plugin are stand-ins.

    Attributes:
        variables: the environment, as asmcli leaves it: nothing of our own is in it.
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

    def make_load_balancer(self) -> None:
        """Make what one consists of, and beside each of it what is somebody else's."""
        for collection in GLOBAL.values():
            for name in ("mci-1", "own-mci-2"):
                self.caller.ok("POST", f"{COMPUTE}/global/{collection}", {"name": name})
        self.caller.ok("POST", f"{COMPUTE}/global/networks", {"name": "vpc-2"})
        for network in ("vpc", "vpc-2"):
            link = f"{self.gcp.base}{COMPUTE}/global/networks/{network}"
            for name in (f"mci-{network}", f"own-mci-{network}"):
                body = {"name": name, "network": link}
                self.caller.ok("POST", f"{COMPUTE}/global/firewalls", body)
                self.caller.ok("POST", f"{COMPUTE}/zones/{ZONE}/networkEndpointGroups", body)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
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
        yield Machine(gcp, caller, tmp_path, variables)


def real(program: str) -> str:
    """Return where the real one is, or skip."""
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not on this machine: nothing to compare its stand-in with")
    return found


def for_the_real(machine: Machine) -> dict[str, str]:
    """Return what the real gcloud needs besides."""
    return {
        "CLOUDSDK_AUTH_TOKEN_HOST": f"{machine.gcp.base}/token",
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "1",
        "CLOUDSDK_CORE_DISABLE_FILE_LOGGING": "1",
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1",
        "CLOUDSDK_PYTHON": "",
        "KUBECONFIG": str(machine.folder / "kubeconfig-of-the-real-one"),
        "PATH": os.environ["PATH"],
        "USE_GKE_GCLOUD_AUTH_PLUGIN": "True",
    }


# --- gcloud container clusters get-credentials


@pytest.mark.parametrize(("flags", "server"), [((), "192.0.2.1"), (("--internal-ip",), "192.168.8.2")])
def test_a_kubeconfig(machine: Machine, flags: tuple[str, ...], server: str) -> None:
    result = machine.get_credentials(*flags)
    assert result.returncode == 0, result.stderr
    assert machine.kubeconfig.stat().st_mode & 0o777 == 0o600
    content = yaml.safe_load(machine.kubeconfig.read_text(encoding="utf-8"))
    cluster = {"certificate-authority-data": "Q0VSVA==", "server": f"https://{server}"}
    assert content["clusters"] == [{"name": NAME, "cluster": cluster}]
    assert content["contexts"] == [{"name": NAME, "context": {"cluster": NAME, "user": NAME}}]
    assert content["current-context"] == content["users"][0]["name"] == NAME
    assert content["users"][0]["user"]["exec"]["command"] == PLUGIN


def test_the_dns_endpoint(machine: Machine) -> None:
    result = machine.get_credentials("--dns-endpoint")
    assert result.returncode == 1
    assert "allowExternalTraffic is disabled for cluster tokyo-1" in result.stderr
    assert not machine.kubeconfig.exists()
    update = {"desiredControlPlaneEndpointsConfig": {"dnsEndpointConfig": {"allowExternalTraffic": True}}}
    machine.caller.ok("PUT", f"{CLUSTERS}/tokyo-1", {"update": update})
    assert machine.get_credentials("--dns-endpoint").returncode == 0
    (cluster,) = yaml.safe_load(machine.kubeconfig.read_text(encoding="utf-8"))["clusters"]
    assert cluster["cluster"] == {"server": f"https://gke-tokyo-1.{LOCATION}.gke.goog"}


def test_a_cluster_that_has_no_address_yet(machine: Machine) -> None:
    del machine.gcp.server.cloud.store.get(CLUSTERS.removeprefix("/container/v1/") + "/tokyo-1")["endpoint"]
    result = machine.get_credentials()
    assert result.returncode == 1
    assert "missing endpoint" in result.stderr


def test_the_scripts_see_that_a_cluster_is_gone(machine: Machine) -> None:
    lines = 'source "$LIB"; make_workspace; credentials_or_gone "$WORK/kubeconfig" "$1" "$2"; echo "still there"'
    inputs = {"LIB": str(SCRIPTS / "lib.sh"), "PROJECT": PROJECT, "ENDPOINT": "public"}
    for cluster, words in (("tokyo-1", "still there"), ("osaka-1", "cluster osaka-1 is gone")):
        result = machine.run("bash", "-c", lines, "script", cluster, LOCATION, **inputs)
        assert result.returncode == 0, result.stderr
        assert words in result.stdout
    machine.gcp.server.cloud.faults.add(RequestFault("GET .*/clusters/", 403, 1))
    result = machine.run("bash", "-c", lines, "script", "osaka-1", LOCATION, **inputs)
    assert result.returncode == 1
    assert "can't reach cluster osaka-1" in result.stderr


def test_a_busy_api_is_asked_again(machine: Machine) -> None:
    faults = machine.gcp.server.cloud.faults
    faults.add(RequestFault("GET .*/clusters/", 429, 1))
    faults.add(RequestFault("GET .*/clusters/", 0, 1))
    assert machine.get_credentials().returncode == 0
    assert faults.taken == 2
    machine.kubeconfig.unlink()
    faults.add(RequestFault("GET .*/clusters/", 503, 1))
    result = machine.get_credentials()
    assert result.returncode == 1
    assert "code=503" in result.stderr


# --- gcloud compute KIND list


def test_lists(machine: Machine) -> None:
    machine.make_load_balancer()
    for kind in GLOBAL:
        result = machine.run("gcloud", "compute", kind, *LIST_NAMED)
        assert (result.returncode, result.stdout) == (0, "mci-1\n"), result.stderr
    assert machine.run("gcloud", *LIST_FIREWALLS).stdout == "mci-vpc\n"
    assert machine.run("gcloud", *LIST_GROUPS).stdout == "own-mci-vpc\n"


def test_the_script_that_waits_for_the_load_balancer(machine: Machine) -> None:
    def wait() -> "subprocess.CompletedProcess[str]":
        script = str(SCRIPTS / "wait-for-load-balancer-cleanup.sh")
        return machine.run("bash", script, PROJECT=PROJECT, ENDPOINT="public", VPC="vpc", WAIT_SECONDS="-1")

    result = wait()
    assert result.returncode == 0, result.stderr
    assert "nothing is left" in result.stdout
    machine.make_load_balancer()
    result = wait()
    assert result.returncode == 1
    left = [f"{kind}: mci-1" for kind in GLOBAL]
    left += ["firewall-rules: mci-vpc", "network-endpoint-groups: own-mci-vpc"]
    assert result.stderr.splitlines()[:-1] == left


def test_lists_of_an_api_that_does_not_answer(machine: Machine) -> None:
    """Only of firewall rules the real one's status says so: see the comparison below."""
    machine.make_load_balancer()
    faults = machine.gcp.server.cloud.faults
    faults.add(RequestFault("GET .*/(firewalls|healthChecks)$", 503, 2))
    result = machine.run("gcloud", "compute", "health-checks", *LIST_NAMED)
    assert (result.returncode, result.stdout) == (0, "")
    assert "Some requests did not succeed" in result.stderr
    result = machine.run("gcloud", *LIST_FIREWALLS)
    assert (result.returncode, result.stdout) == (1, "")
    faults.add(RequestFault("GET .*/healthChecks$", 0, 1))
    assert machine.run("gcloud", "compute", "health-checks", *LIST_NAMED).returncode == 1


# --- the plugin


@pytest.mark.parametrize(
    ("flags", "variable"),
    [
        ((), "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE"),
        (("--use_application_default_credentials",), "GOOGLE_APPLICATION_CREDENTIALS"),
    ],
)
def test_the_plugin(machine: Machine, flags: tuple[str, ...], variable: str) -> None:
    key = machine.variables.pop("CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE")
    result = machine.run(PLUGIN, *flags)
    assert result.returncode == 2
    assert variable in result.stderr
    result = machine.run(PLUGIN, *flags, **{variable: key})
    assert result.returncode == 0, result.stderr
    credential = json.loads(result.stdout)
    assert credential["apiVersion"] == "client.authentication.k8s.io/v1beta1"
    assert credential["kind"] == "ExecCredential"
    assert machine.gcp.server.cloud.identity.is_valid(credential["status"]["token"])
    expiry = datetime.fromisoformat(credential["status"]["expirationTimestamp"]) - datetime.now(UTC)
    assert timedelta(minutes=50) < expiry < timedelta(minutes=61)


# --- what they refuse


@pytest.mark.parametrize(
    "command",
    [
        ("gcloud", "version"),
        ("gcloud", "container", "clusters", "list", "--project", PROJECT),
        ("gcloud", "compute", "url-maps", *LIST_NAMED, "--limit", "1"),
        ("gcloud", "compute", "url-maps", *(one for one in LIST_NAMED if one != "--global")),
        ("gcloud", *LIST_FIREWALLS, "--global"),
        ("gcloud", *(one.replace("AND", "OR") for one in LIST_FIREWALLS)),
        ("gcloud", *(one.replace("value(name)", "json") for one in LIST_FIREWALLS)),
        (PLUGIN, "--impersonate_service_account", "a@b"),
    ],
)
def test_what_they_do_not_know_they_refuse(machine: Machine, command: tuple[str, ...]) -> None:
    before = machine.gcp.server.journal.count()
    result = machine.run(*command)
    assert (result.returncode, result.stdout) == (2, "")
    assert machine.gcp.server.journal.count() == before


def test_they_act_as_nobody_else_and_change_no_file_that_is_there(machine: Machine) -> None:
    result = machine.get_credentials(CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT="a@b")
    assert result.returncode == 2
    assert "can't act as another account" in result.stderr
    machine.kubeconfig.write_text("the user's own", encoding="utf-8")
    assert machine.get_credentials().returncode == 2
    assert machine.kubeconfig.read_text(encoding="utf-8") == "the user's own"


# --- beside the real ones


def test_kubeconfigs_are_those_of_the_real_gcloud(machine: Machine) -> None:
    gcloud, variables = real("gcloud"), for_the_real(machine)
    assert machine.get_credentials().returncode == 0
    assert machine.get_credentials(gcloud=gcloud, **variables).returncode == 0
    other = Path(variables["KUBECONFIG"])
    assert machine.kubeconfig.read_text(encoding="utf-8") == other.read_text(encoding="utf-8")
    machine.kubeconfig.unlink()
    ours = machine.get_credentials(name="osaka-1")
    theirs = machine.get_credentials(name="osaka-1", gcloud=gcloud, **variables)
    line = f"ResponseError: code=404, message=Not found: projects/{PROJECT}/locations/{LOCATION}/clusters/osaka-1."
    for result in (ours, theirs):
        assert result.returncode == 1
        assert line in result.stderr


def test_lists_are_those_of_the_real_gcloud(machine: Machine) -> None:
    gcloud, variables = real("gcloud"), for_the_real(machine)
    machine.make_load_balancer()
    named = ("compute", "url-maps", *LIST_NAMED)

    def both(*command: str) -> list[tuple[int, str]]:
        results = machine.run("gcloud", *command), machine.run(gcloud, *command, **variables)
        return [(result.returncode, result.stdout) for result in results]

    for command, output in ((named, "mci-1\n"), (LIST_FIREWALLS, "mci-vpc\n"), (LIST_GROUPS, "own-mci-vpc\n")):
        assert both(*command) == [(0, output)] * 2
    machine.gcp.server.cloud.faults.add(RequestFault("GET .*/(firewalls|urlMaps)$", 503, 4))
    assert both(*named) == [(0, "")] * 2
    assert both(*LIST_FIREWALLS) == [(1, "")] * 2


def test_the_real_plugin_takes_its_token_from_the_stand_in(machine: Machine) -> None:
    result = machine.run(real(PLUGIN))
    assert result.returncode == 0, result.stderr
    assert machine.gcp.server.cloud.identity.is_valid(json.loads(result.stdout)["status"]["token"])
