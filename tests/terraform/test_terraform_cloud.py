"""The real terraform before the stand-in for Terraform Cloud: states, locks, sharing and runs.

What is deployed here needs no provider; the project's own stacks are in `test_remote_runs.py`.
"""

import hashlib
import io
import json
import re
import shutil
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fake_cloud.terraform_cloud.model import TerraformCloudError
from tests.terraform.member import Member, member, stack

pytestmark = pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not on this machine")

PRODUCER: dict[str, Any] = {
    "resource": {"terraform_data": {"x": {"input": "hello"}}},
    "output": {
        "open": {"value": "${terraform_data.x.output}"},
        "closed": {"value": "${terraform_data.x.output}", "sensitive": True},
    },
}
READING = {
    "backend": "remote",
    "config": {"organization": "acme", "hostname": "app.terraform.io", "workspaces": {"name": "producer"}},
}
CONSUMER: dict[str, Any] = {
    "data": {"terraform_remote_state": {"producer": READING}},
    "output": {"copy": {"value": "${data.terraform_remote_state.producer.outputs.open}"}},
}
APPLY = ("apply", "-auto-approve")


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Member]:
    """Runs happen where terraform is called."""
    with member(tmp_path, default_execution="local") as one:
        yield one


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[Member]:
    """Runs happen on a machine of the stand-in's."""
    with member(tmp_path) as one:
        one.cloud.run_on(one.machine())
        yield one


# --- runs on one's own machine


def test_a_state_is_kept_and_read_again(local: Member, tmp_path: Path) -> None:
    folder = stack(tmp_path, "producer", PRODUCER)
    local.ok(folder, "init")
    assert "1 added" in local.ok(folder, *APPLY)
    assert "No changes" in local.ok(folder, "plan")
    assert json.loads(local.ok(folder, "output", "-json"))["closed"]["value"] == "hello"
    workspace = local.organization.named("producer")
    assert workspace.locked_by == ""
    assert [version.serial for version in workspace.states] == [1]
    assert not list(folder.glob("*.tfstate"))
    assert "1 destroyed" in local.ok(folder, "destroy", "-auto-approve")


def test_a_state_moves_there_from_a_file(local: Member, tmp_path: Path) -> None:
    """As docs/backends.md says it."""
    folder = stack(tmp_path, "producer", PRODUCER)
    file = folder / "cdk.tf.json"
    cloud = file.read_text(encoding="utf-8")
    backend = {"terraform": {"backend": {"local": {"path": "../producer.tfstate"}}}}
    file.write_text(json.dumps({**PRODUCER, **backend}), encoding="utf-8")
    local.ok(folder, "init")
    local.ok(folder, *APPLY)
    pulled = tmp_path / "pulled.json"
    pulled.write_text(local.ok(folder, "state", "pull"), encoding="utf-8")
    file.write_text(cloud, encoding="utf-8")
    shutil.rmtree(folder / ".terraform")
    local.ok(folder, "init")
    local.ok(folder, "state", "push", str(pulled))
    assert "No changes" in local.ok(folder, "plan")
    assert len(local.organization.named("producer").states) == 1


def test_a_member_reads_every_state_whatever_is_shared(local: Member, tmp_path: Path) -> None:
    """Sharing is for runs of Terraform Cloud's: one's own are made with one's own token."""
    producer, consumer = stack(tmp_path, "producer", PRODUCER), stack(tmp_path, "consumer", CONSUMER)
    for folder in (producer, consumer):
        local.ok(folder, "init")
        local.ok(folder, *APPLY)
    assert local.organization.named("producer").consumers == set()
    assert 'copy = "hello"' in local.ok(consumer, "output")


def test_a_wrong_token_and_none(local: Member, tmp_path: Path) -> None:
    folder = stack(tmp_path, "producer", PRODUCER)
    assert "unauthorized" in local.refused(folder, "init", TF_TOKEN_app_terraform_io="somebody-elses").lower()
    local.variables = {}
    assert "terraform login" in local.refused(folder, "init")
    assert local.organization.workspaces == {}


def test_another_organization(local: Member, tmp_path: Path) -> None:
    folder = stack(tmp_path, "producer", PRODUCER, organization="theirs")
    assert 'organization "theirs" at host app.terraform.io not found' in local.refused(folder, "init")


def test_a_locked_state(local: Member, tmp_path: Path) -> None:
    folder = stack(tmp_path, "producer", PRODUCER)
    local.ok(folder, "init")
    local.organization.named("producer").locked_by = "somebody"
    assert "Error acquiring the state lock" in local.refused(folder, *APPLY)
    assert local.organization.named("producer").states == []


def test_terraform_enterprise_is_another_host(local: Member, tmp_path: Path) -> None:
    """A host that nobody leads to is asked for by name, and there is none of that name."""
    folder = stack(tmp_path, "producer", PRODUCER, hostname="tfe.acme.invalid")
    assert "tfe.acme.invalid" in local.refused(folder, "init")


# --- runs on a machine of Terraform Cloud's


def test_a_run_reads_only_what_is_shared_with_it(remote: Member, tmp_path: Path) -> None:
    producer, consumer = stack(tmp_path, "producer", PRODUCER), stack(tmp_path, "consumer", CONSUMER)
    remote.ok(producer, "init")
    assert "1 added" in remote.ok(producer, *APPLY)
    remote.ok(consumer, "init")
    text = remote.refused(consumer, *APPLY)
    assert "Error retrieving state: forbidden" in text
    assert "a run of consumer may not read the state of producer" in text
    assert remote.organization.named("consumer").current() is None
    share(remote, "producer", "consumer")
    remote.ok(consumer, *APPLY)
    assert 'copy = "hello"' in remote.ok(consumer, "output")


def share(one: Member, producer: str, consumer: str) -> None:
    one.organization.named(producer).consumers.add(one.organization.named(consumer).id)


def test_a_run_has_the_folder_that_was_uploaded_and_a_machine_of_its_own(remote: Member, tmp_path: Path) -> None:
    look = "ls -A; cat assets/file; ls -A $HOME; env"
    content = {
        "resource": {"terraform_data": {"x": {"provisioner": [{"local-exec": {"command": look}}]}}},
    }
    folder = stack(tmp_path, "producer", content)
    (folder / "assets").mkdir()
    (folder / "assets" / "file").write_text("from the asset\n", encoding="utf-8")
    (tmp_path / "beside").write_text("not uploaded\n", encoding="utf-8")
    remote.ok(folder, "init")
    remote.organization.named("producer").variables["GOOGLE_CREDENTIALS"] = "of-the-workspace"
    text = remote.ok(folder, *APPLY, MINE="not on the machine")
    assert "(local-exec): from the asset" in text
    assert "(local-exec): GOOGLE_CREDENTIALS=of-the-workspace" in text
    assert "(local-exec): TFC_WORKSPACE_NAME=producer" in text
    for absent in ("MINE=", "beside", str(tmp_path / "home"), "python"):
        assert absent not in text.lower().replace("path=", ""), absent
    (upload,) = remote.organization.uploads.values()
    assert upload.content is not None
    with tarfile.open(fileobj=io.BytesIO(upload.content)) as archive:
        names = {one.name for one in archive.getmembers() if one.isfile()}
    assert names == {"cdk.tf.json", "assets/file"}


def test_a_plan_alone_changes_nothing(remote: Member, tmp_path: Path) -> None:
    folder = stack(tmp_path, "producer", PRODUCER)
    remote.ok(folder, "init")
    assert "Plan: 1 to add" in remote.ok(folder, "plan")
    (run,) = remote.organization.runs.values()
    assert (run.status, run.wanted) == ("planned_and_finished", "plan only")
    assert remote.organization.named("producer").states == []


def test_a_run_that_fails_keeps_what_it_has_made(remote: Member, tmp_path: Path) -> None:
    failing = {"provisioner": [{"local-exec": {"command": "exit 3"}}], "depends_on": ["terraform_data.x"]}
    content = {"resource": {"terraform_data": {"x": {"input": "made"}, "y": failing}}}
    folder = stack(tmp_path, "producer", content)
    remote.ok(folder, "init")
    assert "exit status 3" in remote.refused(folder, *APPLY)
    current = remote.organization.named("producer").current()
    assert current is not None
    assert current.content is not None
    assert '"made"' in current.content.decode()
    (run,) = remote.organization.runs.values()
    assert run.status == "errored"


def test_a_runs_token_ends_with_it(remote: Member, tmp_path: Path) -> None:
    command = {"provisioner": [{"local-exec": {"command": "echo token=$TF_TOKEN_app_terraform_io"}}]}
    folder = stack(tmp_path, "producer", {"resource": {"terraform_data": {"x": command}}})
    remote.ok(folder, "init")
    text = remote.ok(folder, *APPLY)
    (token,) = re.findall(r"\(local-exec\): token=(\S+)", text)
    assert token != remote.organization.user_token
    deadline = time.monotonic() + 10
    while token in remote.organization.tokens() and time.monotonic() < deadline:
        time.sleep(0.05)  # the run says that it is applied, and then clears up
    with pytest.raises(TerraformCloudError, match="unauthorized"):
        remote.organization.caller(token)


def test_what_is_uploaded_has_to_be_what_was_announced(local: Member, tmp_path: Path) -> None:
    """The stand-in looks at what it gets, or a broken client would go unnoticed."""
    folder = stack(tmp_path, "producer", PRODUCER)
    local.ok(folder, "init")
    local.ok(folder, *APPLY)
    (version,) = local.organization.named("producer").states
    assert version.content is not None
    assert version.md5 == hashlib.md5(version.content).hexdigest()
