"""State backends: names of states, their readers, and self-contained stack folders."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cli.doctor.permissions import BY_ROLE, WITH_CERTIFICATE_MAP
from config.backend import CloudState, GcsState
from config.naming import STACKS
from config.paths import ROOT
from tests.synthesized import REFERENCE, Synthesis, environment_of, synthesize

DOCS = ROOT / "docs" / "backends.md"

READS = {"network": [], "clusters": ["network"], "mesh": ["clusters"], "ingress": ["clusters"]}
"""By stack: the stacks whose outputs it reads. docs/backends.md documents the same."""

BACKENDS = {
    "cloud": "{type: cloud, organization: acme}",
    "enterprise": "{type: cloud, organization: acme, hostname: tfe.acme.example, workspace_prefix: prod}",
    "gcs": "{type: gcs, bucket: acme-states}",
    "gcs with a prefix": "{type: gcs, bucket: acme-states, prefix: teams/mesh}",
}
"""By name: the value of `backend` in the configuration."""

PREFIXES = {
    "cloud": "my-mesh-project_matt",
    "enterprise": "prod",
    "gcs": "my-mesh-project_matt",
    "gcs with a prefix": "teams/mesh",
}

CLOUD_HOSTS = {"cloud": "app.terraform.io", "enterprise": "tfe.acme.example"}


@dataclass(frozen=True)
class BackendCase:
    """A synthesized environment with a backend.

    Attributes:
        name: the backend's key in `BACKENDS`.
        synthesis: the environment.
    """

    name: str
    synthesis: Synthesis

    def terraform(self, stack: str) -> Mapping[str, Any]:
        block: Mapping[str, Any] = self.synthesis.stacks[stack]["terraform"]
        return block

    def readers(self, stack: str) -> Mapping[str, Any]:
        """Return a stack's data sources for other stacks, by the other's name."""
        found = self.synthesis.stacks[stack].get("data", {}).get("terraform_remote_state", {})
        return {name.removeprefix("cross-stack-reference-input-"): one for name, one in found.items()}


@pytest.fixture(scope="module", params=BACKENDS)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> BackendCase:
    text = f"{REFERENCE.read_text(encoding='utf-8')}\nbackend: {BACKENDS[request.param]}\n"
    return BackendCase(request.param, synthesize(environment_of(text), tmp_path_factory.mktemp("backend")))


@pytest.mark.parametrize("stack", STACKS)
def test_every_stack_has_its_own_state(case: BackendCase, stack: str) -> None:
    name = f"{PREFIXES[case.name]}-{stack}"
    block = case.terraform(stack)
    assert ("cloud" in block) != ("backend" in block)
    if case.name in CLOUD_HOSTS:
        host = CLOUD_HOSTS[case.name]
        assert block["cloud"] == {"hostname": host, "organization": "acme", "workspaces": {"name": name}}
    else:
        assert block["backend"] == {"gcs": {"bucket": "acme-states", "prefix": name}}


@pytest.mark.parametrize("stack", STACKS)
def test_readers_follow_the_backend(case: BackendCase, stack: str) -> None:
    """A reader's configuration equals the producer's backend."""
    readers = case.readers(stack)
    assert sorted(readers) == READS[stack]
    for other, reader in readers.items():
        written = case.terraform(other)
        if case.name in CLOUD_HOSTS:
            assert (reader["backend"], reader["config"]) == ("remote", written["cloud"])
        else:
            assert (reader["backend"], reader["config"]) == ("gcs", written["backend"]["gcs"])


def test_no_credentials_in_the_configuration() -> None:
    """The models have no key for credentials, so that the JSON can't contain any."""
    keys = set(CloudState.model_fields) | set(GcsState.model_fields)
    assert keys == {"type", "organization", "hostname", "workspace_prefix", "execution", "bucket", "prefix"}


@pytest.mark.parametrize("stack", STACKS)
def test_no_credentials_in_the_json(case: BackendCase, stack: str) -> None:
    names = {name for name, _ in _texts(case.synthesis.stacks[stack], "")}
    assert len(names) > 5
    assert not names & {"credentials", "access_token", "encryption_key", "private_key", "password"}
    # With impersonation, the kubernetes provider refers to an ephemeral token.
    tokens = [text for name, text in _texts(case.synthesis.stacks[stack], "") if name == "token"]
    assert [one for one in tokens if not one.startswith("${ephemeral.")] == []


@pytest.mark.parametrize("stack", STACKS)
def test_a_folder_refers_to_no_file_outside(case: BackendCase, stack: str) -> None:
    """Terraform uploads only the stack's folder for a remote run."""
    folder = case.synthesis.outdir / "stacks" / stack
    content = json.dumps(case.synthesis.stacks[stack])
    assert str(case.synthesis.outdir.parent) not in content
    texts = [text for _, text in _texts(case.synthesis.stacks[stack], "")]
    assert len(texts) > 20
    assert [text for text in texts if _is_outside(text, case.synthesis.outdir.parent)] == []
    for path in re.findall(r"\bassets/[\w./-]+", content):
        assert (folder / path).is_file(), path
    assert not [one for one in folder.rglob("*") if one.is_symlink()]


def test_files_outside_are_recognized() -> None:
    root = Path("/home/me")
    for text in ("/home/me/x", "../up", "bash ../x.sh", "a/../../b", "/etc/passwd", "bash /opt/x.sh", "~/key.json"):
        assert _is_outside(text, root), text
    # URLs, expressions, ranges and resource names are no files.
    for text in ("https://host/a/b", "bash assets/x.sh", "10.0.0.0/8", "projects/p/x", "${a.b}/c", "assets/a..b"):
        assert not _is_outside(text, root), text


def _is_outside(text: str, root: Path) -> bool:
    """Return whether a text contains an absolute path, or one with `..`."""
    if str(root) in text:
        return True
    return any(word.startswith(("/", "~/")) or ".." in word.split("/") for word in text.split())


def _texts(node: Any, name: str) -> Iterator[tuple[str, str]]:
    """Yield every text with its key, except in Kubernetes objects, which contain paths of their own."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key not in ("//", "manifest"):
                yield from _texts(value, key)
    elif isinstance(node, list):
        for item in node:
            yield from _texts(item, name)
    elif isinstance(node, str):
        yield name, node


def test_the_docs_list_the_readers_of_every_stack(case: BackendCase) -> None:
    rows = re.findall(r"^\| `(\w+)` \|([^|\n]*)\|([^|\n]*)\|$", DOCS.read_text(encoding="utf-8"), re.M)
    reads = {stack: sorted(re.findall(r"`(\w+)`", cell)) for stack, cell, _ in rows}
    readers = {stack: sorted(re.findall(r"`(\w+)`", cell)) for stack, _, cell in rows}
    assert reads == {stack: sorted(case.readers(stack)) for stack in STACKS}
    assert readers == {stack: sorted(one for one in STACKS if stack in reads[one]) for stack in STACKS}


def test_the_docs_list_the_roles_that_doctor_requires() -> None:
    (listed,) = re.findall(
        r"^The account needs, in the project: (.*?) \(`mesh doctor`", DOCS.read_text("utf-8"), re.M | re.S
    )
    assert set(re.findall(r"`(roles/[\w.]+)`", listed)) == {*BY_ROLE, *WITH_CERTIFICATE_MAP}


def test_the_docs_describe_the_names_of_workspaces(case: BackendCase) -> None:
    if case.name == "cloud":
        assert "`PROJECT_ID_NAME_PREFIX-STACK`" in DOCS.read_text(encoding="utf-8")
        name = case.terraform("network")["cloud"]["workspaces"]["name"]
        assert name == "PROJECT_ID_NAME_PREFIX-STACK".replace("PROJECT_ID", "my-mesh-project").replace(
            "NAME_PREFIX", "matt"
        ).replace("STACK", "network")
