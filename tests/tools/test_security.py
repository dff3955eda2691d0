"""docs/security.md agrees with the code."""

import re

import pytest

from cli.doctor import permissions
from config.paths import ROOT
from policy.rules.clusters import NODE_ROLES
from tests.synthesized import Synthesis

TEXT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")


def rows() -> dict[str, set[str]]:
    """Return the roles of each identity, by the first words of its row."""
    table = TEXT.partition("<!-- identities -->")[2].partition("<!-- end of identities -->")[0]
    cells = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")][2:]
    return {identity: set(re.findall(r"`(roles/[\w.]+)`", roles)) for identity, roles, _ in cells}


def roles_of(identity: str) -> set[str]:
    found = [roles for name, roles in rows().items() if name.startswith(identity)]
    assert len(found) == 1, identity
    return found[0]


def granted(synthesis: Synthesis, stack: str) -> set[str]:
    return {grant["role"] for grant in synthesis.all(stack, "google_project_iam_member").values()}


def test_the_deployers_roles_are_those_that_doctor_asks_for() -> None:
    needed = {*permissions.BY_ROLE, *permissions.WITHOUT_SCRIPTS, *permissions.WITH_CERTIFICATE_MAP}
    assert roles_of("the deployer") == needed
    assert len(needed) > 5


@pytest.mark.parametrize("environment", ["reference", "three_regions"])
def test_the_roles_of_nodes_are_all_that_are_granted(environment: str, request: pytest.FixtureRequest) -> None:
    synthesis: Synthesis = request.getfixturevalue(environment)
    assert roles_of("nodes") == granted(synthesis, "clusters")
    assert set[str]().union(*(granted(synthesis, stack) for stack in ("network", "mesh", "ingress"))) == set()


def test_the_policys_list_of_grants_is_the_documented_one() -> None:
    assert roles_of("nodes") == set(NODE_ROLES)


def test_every_identity_has_a_role() -> None:
    assert len(rows()) >= 4
    assert all(rows().values())


def test_what_it_names_is_there() -> None:
    rules = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "policy" / "rules").glob("*.py"))
    named = set(re.findall(r"`MESH_(\w+)`", TEXT))
    assert named
    for rule in named:
        assert f"def {rule.lower()}(" in rules, rule
    targets = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"`make ([\w-]+)", TEXT)):
        assert re.search(rf"^{target}:", targets, re.MULTILINE), target


def test_the_readme_leads_to_it() -> None:
    assert re.search(r"\]\((docs/security|SECURITY)\.md", (ROOT / "README.md").read_text(encoding="utf-8"))
