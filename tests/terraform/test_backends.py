"""Where the states are: names from one rule, readers that follow, folders that need nothing beside them."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cli.doctor.permissions import PERMISSIONS
from config.backend import CloudState, GcsState
from config.naming import STACKS
from config.paths import ROOT
from tests.synthesized import REFERENCE, Synthesis, environment_of, synthesize

DOCS = ROOT / "docs" / "backends.md"

READS = {"network": [], "clusters": ["network"], "mesh": ["clusters", "network"], "ingress": ["clusters"]}
"""By stack: whose outputs it reads. docs/backends.md says the same to people."""

BACKENDS = {
    "cloud": "{type: cloud, organization: acme}",
    "enterprise": "{type: cloud, organization: acme, hostname: tfe.acme.example, workspace_prefix: prod}",
    "gcs": "{type: gcs, bucket: acme-states}",
    "gcs with a prefix": "{type: gcs, bucket: acme-states, prefix: teams/mesh}",
}
"""By name: what stands in the configuration."""

PREFIXES = {
    "cloud": "my-mesh-project_matt",
    "enterprise": "prod",
    "gcs": "my-mesh-project_matt",
    "gcs with a prefix": "teams/mesh",
}

CLOUD_HOSTS = {"cloud": "app.terraform.io", "enterprise": "tfe.acme.example"}


@dataclass(frozen=True)
class Case:
    """An environment with a backend.

    Attributes:
        name: the backend's, here.
    """

    name: str
    synthesis: Synthesis

    def terraform(self, stack: str) -> Mapping[str, Any]:
        block: Mapping[str, Any] = self.synthesis.stacks[stack]["terraform"]
        return block

    def readers(self, stack: str) -> Mapping[str, Any]:
        """Return the data sources by which a stack reads others, by the other's name."""
        found = self.synthesis.stacks[stack].get("data", {}).get("terraform_remote_state", {})
        return {name.removeprefix("cross-stack-reference-input-"): one for name, one in found.items()}


@pytest.fixture(scope="module", params=BACKENDS)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    text = f"{REFERENCE.read_text(encoding='utf-8')}\nbackend: {BACKENDS[request.param]}\n"
    return Case(request.param, synthesize(environment_of(text), tmp_path_factory.mktemp("backend")))


@pytest.mark.parametrize("stack", STACKS)
def test_each_stack_has_a_state_of_its_own_by_one_rule(case: Case, stack: str) -> None:
    name = f"{PREFIXES[case.name]}-{stack}"
    block = case.terraform(stack)
    assert ("cloud" in block) != ("backend" in block)
    if case.name in CLOUD_HOSTS:
        host = CLOUD_HOSTS[case.name]
        assert block["cloud"] == {"hostname": host, "organization": "acme", "workspaces": {"name": name}}
    else:
        assert block["backend"] == {"gcs": {"bucket": "acme-states", "prefix": name}}


@pytest.mark.parametrize("stack", STACKS)
def test_readers_follow_the_backend(case: Case, stack: str) -> None:
    """They read where the other stack writes: the one is compared with the other, not with a text of ours."""
    readers = case.readers(stack)
    assert sorted(readers) == READS[stack]
    for other, reader in readers.items():
        written = case.terraform(other)
        if case.name in CLOUD_HOSTS:
            assert (reader["backend"], reader["config"]) == ("remote", written["cloud"])
        else:
            assert (reader["backend"], reader["config"]) == ("gcs", written["backend"]["gcs"])


def test_no_credentials_in_the_configuration() -> None:
    """The models have no key for one, so the JSON can't have any either."""
    keys = set(CloudState.model_fields) | set(GcsState.model_fields)
    assert keys == {"type", "organization", "hostname", "workspace_prefix", "execution", "bucket", "prefix"}


@pytest.mark.parametrize("stack", STACKS)
def test_no_credentials_in_the_json(case: Case, stack: str) -> None:
    names = {name for name, _ in _texts(case.synthesis.stacks[stack], "")}
    assert len(names) > 5
    assert not names & {"credentials", "access_token", "encryption_key", "private_key", "password"}
    # The kubernetes provider's, which refers to something ephemeral, where there is a service account to act as.
    tokens = [text for name, text in _texts(case.synthesis.stacks[stack], "") if name == "token"]
    assert [one for one in tokens if not one.startswith("${ephemeral.")] == []


@pytest.mark.parametrize("stack", STACKS)
def test_a_folder_names_no_file_outside(case: Case, stack: str) -> None:
    """What is uploaded for a remote run is the stack's folder alone."""
    folder = case.synthesis.outdir / "stacks" / stack
    content = json.dumps(case.synthesis.stacks[stack])
    assert str(case.synthesis.outdir.parent) not in content
    texts = [text for _, text in _texts(case.synthesis.stacks[stack], "")]
    assert len(texts) > 20
    assert [text for text in texts if _is_outside(text, case.synthesis.outdir.parent)] == []
    for path in re.findall(r"\bassets/[\w./-]+", content):
        assert (folder / path).is_file(), path
    assert not [one for one in folder.rglob("*") if one.is_symlink()]


def test_what_counts_as_outside() -> None:
    root = Path("/home/me")
    for text in ("/home/me/x", "../up", "bash ../x.sh", "a/../../b", "/etc/passwd", "bash /opt/x.sh", "~/key.json"):
        assert _is_outside(text, root), text
    # A path of a URL, an expression, a range and a path that a gateway matches are no files.
    for text in ("https://host/a/b", "bash assets/x.sh", "10.0.0.0/8", "projects/p/x", "${a.b}/c", "assets/a..b"):
        assert not _is_outside(text, root), text


def _is_outside(text: str, root: Path) -> bool:
    """Whether a text names a file by an absolute path, or by one that leads up."""
    if str(root) in text:
        return True
    return any(word.startswith(("/", "~/")) or ".." in word.split("/") for word in text.split())


def _texts(node: Any, name: str) -> Iterator[tuple[str, str]]:
    """Yield every text in a document, with the name of what holds it; Kubernetes objects have paths of their own."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key not in ("//", "manifest"):
                yield from _texts(value, key)
    elif isinstance(node, list):
        for item in node:
            yield from _texts(item, name)
    elif isinstance(node, str):
        yield name, node


def test_the_docs_tell_who_reads_whom(case: Case) -> None:
    rows = re.findall(r"^\| `(\w+)` \|([^|\n]*)\|([^|\n]*)\|$", DOCS.read_text(encoding="utf-8"), re.M)
    reads = {stack: sorted(re.findall(r"`(\w+)`", cell)) for stack, cell, _ in rows}
    readers = {stack: sorted(re.findall(r"`(\w+)`", cell)) for stack, _, cell in rows}
    assert reads == {stack: sorted(case.readers(stack)) for stack in STACKS}
    assert readers == {stack: sorted(one for one in STACKS if stack in reads[one]) for stack in STACKS}


def test_the_docs_tell_the_roles_that_doctor_asks_for() -> None:
    (listed,) = re.findall(
        r"^The account needs, in the project: (.*?) \(`mesh doctor`", DOCS.read_text("utf-8"), re.M | re.S
    )
    assert set(re.findall(r"`(roles/[\w.]+)`", listed)) == {need.role for need in PERMISSIONS}


def test_the_docs_name_the_workspaces_as_they_are_named(case: Case) -> None:
    if case.name == "cloud":
        assert "`PROJECT_ID_NAME_PREFIX-STACK`" in DOCS.read_text(encoding="utf-8")
        name = case.terraform("network")["cloud"]["workspaces"]["name"]
        assert name == "PROJECT_ID_NAME_PREFIX-STACK".replace("PROJECT_ID", "my-mesh-project").replace(
            "NAME_PREFIX", "matt"
        ).replace("STACK", "network")
