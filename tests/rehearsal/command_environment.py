"""The environment of the project's commands: where they find Google Cloud, providers, tools."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.fake_cloud.google_sites import HOSTNAMES, GoogleSites
from tests.local_mesh.authority import Authority
from tests.local_mesh.errors import LocalMeshError
from tests.local_mesh.toolchain import Toolchain
from tests.rehearsal.prerequisites import QUIET
from tests.rehearsal.simulated_cloud import BASE, SimulatedCloud

FAKE_TOOLS = Path(__file__).parent / "fake_tools"
ASMCLI = FAKE_TOOLS / "asmcli"
JSII = ("JSII_RUNTIME_PACKAGE_CACHE", "JSII_RUNTIME_PACKAGE_CACHE_ROOT")
INHERITED = ("HOME", *JSII, "LANG", "PATH", "TERM", "TMPDIR")
"""Variables that commands inherit. A user's other variables must change nothing here."""

FROM_ACTIVATE = ("PIPENV_PIPFILE", "PIPENV_VENV_IN_PROJECT", "PIPENV_IGNORE_VIRTUALENVS", "PIPENV_VERBOSITY")
"""Variables that `tools/activate` sets."""

REPLACEABLE = ("gcloud", "gke-gcloud-auth-plugin")
"""Programs that are faked on a machine that lacks them."""


@dataclass(frozen=True)
class CommandEnvironment:
    """The environment of every command.

    Attributes:
        variables: environment variables.
        faked: programs that are faked, besides asmcli.
    """

    variables: dict[str, str]
    faked: tuple[str, ...]


def create_command_environment(
    cloud: SimulatedCloud, *, tools: Toolchain, mirror: Path | None, state: Path, download: str, authority: Authority
) -> CommandEnvironment:
    """Start Google's sites and return the environment of the project's commands.

    Args:
        cloud: the simulated cloud.
        tools: programs of the local mesh.
        mirror: folder of terraform providers; None for a rehearsal without terraform.
        state: folder for certificates, credentials and configuration.
        download: path of asmcli among Google's downloads.
        authority: signs certificates of Google's sites; the commands trust it.
    """
    certificates = state / "certificates"
    certificates.mkdir(mode=0o700)
    trusted = certificates / "ca.pem"
    trusted.write_bytes(authority.certificate)
    leaf = authority.issue(HOSTNAMES)
    certificate, key = certificates / "sites.pem", certificates / "sites.key"
    certificate.write_bytes(leaf.certificate)
    key.write_bytes(leaf.key)
    _name_sites(state / "hosts", dict.fromkeys(HOSTNAMES, "127.0.0.1") | cloud.planes.dns_names())
    GoogleSites(cloud.fake.identity, cloud.server.wsgi_app, {download: ASMCLI}, certificate, key).start()

    credentials = state / "credentials.json"
    credentials.touch(mode=0o600)
    credentials.write_text(cloud.fake.identity.credentials(), encoding="utf-8")
    faked = tuple(tool for tool in REPLACEABLE if shutil.which(tool) is None)
    variables = {name: os.environ[name] for name in (*INHERITED, *FROM_ACTIVATE) if name in os.environ}
    path = os.pathsep.join([*_fake_tool_folder(faked, state), tools.variables()["PATH"]])
    variables |= QUIET | {
        "CDKTF_LOG_FILE_DIRECTORY": str(state),
        "CI": "1",
        "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE": str(credentials),
        "CLOUDSDK_AUTH_TOKEN_HOST": f"{BASE}/token",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1",
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "1",
        "CURL_CA_BUNDLE": str(trusted),
        "DISABLE_VERSION_CHECK": "1",
        "GOOGLE_APPLICATION_CREDENTIALS": str(credentials),
        "NO_COLOR": "1",
        "PATH": path,
        "SSL_CERT_FILE": str(trusted),
    }
    variables |= cloud.server.variables()
    if faked:
        variables["CLOUDSDK_PYTHON"] = sys.executable
    if mirror is not None:
        configuration = state / "terraform.tfrc"
        text = f'provider_installation {{\n  filesystem_mirror {{ path = "{mirror}" }}\n}}\n'
        configuration.write_text(text, encoding="utf-8")
        # cdktf-cli lets terraform fetch checksums from the registry, unless a mirror is configured.
        variables |= {
            "TF_CLI_CONFIG_FILE": str(configuration),
            "TF_CLI_ARGS_providers_lock": f"-fs-mirror={mirror}",
        }
    return CommandEnvironment(variables, faked)


def _name_sites(hosts: Path, addresses: Mapping[str, str]) -> None:
    """Replace /etc/hosts, in the rehearsal's own mount namespace, so that Google's sites resolve to this machine."""
    lines = ["127.0.0.1 localhost", *(f"{address} {name}" for name, address in addresses.items())]
    hosts.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    result = subprocess.run(["mount", "--bind", str(hosts), "/etc/hosts"], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise LocalMeshError(f"could not mount /etc/hosts: {result.stderr.strip()}")


def _fake_tool_folder(faked: tuple[str, ...], state: Path) -> list[str]:
    """Return the folder of the fake tools, in a list that is empty if there are none."""
    if not faked:
        return []
    folder = state / "fake-tools"
    folder.mkdir()
    for tool in faked:
        (folder / tool).symlink_to(FAKE_TOOLS / tool)
    return [str(folder)]
