"""The environment in which the project's commands run: where they find Google Cloud, providers, tools."""

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
"""What a command gets of our own environment: a user's variables must change nothing here."""

FROM_ACTIVATE = ("PIPENV_PIPFILE", "PIPENV_VENV_IN_PROJECT", "PIPENV_IGNORE_VIRTUALENVS", "PIPENV_VERBOSITY")
"""What `tools/activate` sets."""

REPLACEABLE = ("gcloud", "gke-gcloud-auth-plugin")
"""Programs for which there are stand-ins, where the machine has none."""


@dataclass(frozen=True)
class CommandEnvironment:
    """What the rehearsal sets up once.

    Attributes:
        variables: the environment of every command.
        replaced: the programs that are stand-ins.
    """

    variables: dict[str, str]
    replaced: tuple[str, ...]


def create_command_environment(
    cloud: SimulatedCloud, *, tools: Toolchain, mirror: Path | None, state: Path, download: str, authority: Authority
) -> CommandEnvironment:
    """Start Google's sites and return the environment of the project's commands.

    Args:
        authority: signs for Google's sites; the commands trust it.
        mirror: folder of terraform providers; without one, terraform is not to be used.
        download: path of asmcli among Google's downloads.
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
    GoogleSites(cloud.fake.identity, cloud.server.answer, {download: ASMCLI}, certificate, key).start()

    credentials = state / "credentials.json"
    credentials.touch(mode=0o600)
    credentials.write_text(cloud.fake.identity.credentials(), encoding="utf-8")
    replaced = tuple(tool for tool in REPLACEABLE if shutil.which(tool) is None)
    variables = {name: os.environ[name] for name in (*INHERITED, *FROM_ACTIVATE) if name in os.environ}
    path = os.pathsep.join([*_fake_tool_folder(replaced, state), tools.variables()["PATH"]])
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
    if replaced:
        variables["CLOUDSDK_PYTHON"] = sys.executable
    if mirror is not None:
        configuration = state / "terraform.tfrc"
        text = f'provider_installation {{\n  filesystem_mirror {{ path = "{mirror}" }}\n}}\n'
        configuration.write_text(text, encoding="utf-8")
        # cdktf-cli has terraform ask the registry for checksums, unless it is told of a mirror.
        variables |= {
            "TF_CLI_CONFIG_FILE": str(configuration),
            "TF_CLI_ARGS_providers_lock": f"-fs-mirror={mirror}",
        }
    return CommandEnvironment(variables, replaced)


def _name_sites(hosts: Path, addresses: Mapping[str, str]) -> None:
    """Let Google's sites be found here: in a mount namespace of our own, /etc/hosts is ours."""
    lines = ["127.0.0.1 localhost", *(f"{address} {name}" for name, address in addresses.items())]
    hosts.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    result = subprocess.run(["mount", "--bind", str(hosts), "/etc/hosts"], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise LocalMeshError(f"could not mount /etc/hosts: {result.stderr.strip()}")


def _fake_tool_folder(replaced: tuple[str, ...], state: Path) -> list[str]:
    """Return a folder of the stand-ins that are needed; none if there are none."""
    if not replaced:
        return []
    folder = state / "stand-ins"
    folder.mkdir()
    for tool in replaced:
        (folder / tool).symlink_to(FAKE_TOOLS / tool)
    return [str(folder)]
