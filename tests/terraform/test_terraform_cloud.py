"""The real terraform with the fake Terraform Cloud: states, locks, sharing and runs.

These stacks need no provider; `test_remote_runs.py` tests the project's own stacks.
"""

import hashlib
import io
import json
import os
import re
import shutil
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from cli.drain.terraform import CREATE, StackTerraform, StateLockedError
from cli.sources.terraform import StackFolder
from tests.fake_cloud.terraform_cloud.model import TerraformCloudError
from tests.terraform.terraform import APPLY, PRODUCER, consumer
from tests.terraform.terraform_cloud_user import TerraformCloudUser, terraform_cloud_user, write_cloud_stack

pytestmark = pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not on this machine")

CONSUMER = consumer("remote", organization="acme", hostname="app.terraform.io", workspaces={"name": "producer"})


@pytest.fixture
def local(tmp_path: Path) -> Iterator[TerraformCloudUser]:
    """Runs are local."""
    with terraform_cloud_user(tmp_path, default_execution="local") as one:
        yield one


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[TerraformCloudUser]:
    """Runs are remote, on a machine of the fake Terraform Cloud."""
    with terraform_cloud_user(tmp_path) as one:
        one.cloud.run_on(one.runner_machine())
        yield one


# --- local runs


def test_terraform_cloud_keeps_a_state(local: TerraformCloudUser) -> None:
    folder = local.initialize("producer", PRODUCER)
    assert "1 added" in local.run(folder, *APPLY)
    assert "No changes" in local.run(folder, "plan")
    assert json.loads(local.run(folder, "output", "-json"))["closed"]["value"] == "hello"
    workspace = local.organization.named("producer")
    assert workspace.locked_by == ""
    assert [version.serial for version in workspace.states] == [1]
    assert not list(folder.glob("*.tfstate"))
    assert "1 destroyed" in local.run(folder, "destroy", "-auto-approve")


def test_migration_of_a_local_state(local: TerraformCloudUser, tmp_path: Path) -> None:
    """The steps of docs/backends.md."""
    folder = write_cloud_stack(tmp_path, "producer", PRODUCER)
    file = folder / "cdk.tf.json"
    cloud = file.read_text(encoding="utf-8")
    backend = {"terraform": {"backend": {"local": {"path": "../producer.tfstate"}}}}
    file.write_text(json.dumps({**PRODUCER, **backend}), encoding="utf-8")
    local.run(folder, "init")
    local.run(folder, *APPLY)
    pulled = tmp_path / "pulled.json"
    pulled.write_text(local.run(folder, "state", "pull"), encoding="utf-8")
    file.write_text(cloud, encoding="utf-8")
    shutil.rmtree(folder / ".terraform")
    local.run(folder, "init")
    local.run(folder, "state", "push", str(pulled))
    assert "No changes" in local.run(folder, "plan")
    assert len(local.organization.named("producer").states) == 1


def test_local_runs_read_every_state_without_sharing(local: TerraformCloudUser) -> None:
    """Sharing restricts remote runs only: local runs use the user's token."""
    for name, content in (("producer", PRODUCER), ("consumer", CONSUMER)):
        consumer = local.initialize(name, content)
        local.run(consumer, *APPLY)
    assert local.organization.named("producer").consumers == set()
    assert 'copy = "hello"' in local.run(consumer, "output")


def test_a_wrong_or_missing_token_is_an_error(local: TerraformCloudUser, tmp_path: Path) -> None:
    folder = write_cloud_stack(tmp_path, "producer", PRODUCER)
    assert "unauthorized" in local.fail(folder, "init", TF_TOKEN_app_terraform_io="somebody-elses").lower()
    local.variables = {}
    assert "terraform login" in local.fail(folder, "init")
    assert local.organization.workspaces == {}


def test_an_unknown_organization_is_an_error(local: TerraformCloudUser, tmp_path: Path) -> None:
    folder = write_cloud_stack(tmp_path, "producer", PRODUCER, organization="theirs")
    assert 'organization "theirs" at host app.terraform.io not found' in local.fail(folder, "init")


def test_a_locked_state_stops_an_apply(local: TerraformCloudUser) -> None:
    folder = local.initialize("producer", PRODUCER)
    local.organization.named("producer").locked_by = "somebody"
    assert "Error acquiring the state lock" in local.fail(folder, *APPLY)
    assert local.organization.named("producer").states == []


def test_mesh_repair_reads_the_state_and_its_lock(local: TerraformCloudUser) -> None:
    path = local.initialize("producer", PRODUCER)
    local.run(path, *APPLY)
    folder = StackFolder("producer", path)
    with patch.dict(os.environ, local.environment, clear=True):
        assert '"hello"' in folder.pull()
        assert folder.lock_holder() is None
        local.organization.named("producer").locked_by = "somebody"
        assert folder.lock_holder() is not None
    assert local.organization.named("producer").locked_by == "somebody"


def test_mesh_drain_plans_and_applies(local: TerraformCloudUser, tmp_path: Path) -> None:
    resources = {"first": {"input": "a"}, "other": {"input": "a"}}
    stack = StackTerraform(local.initialize("producer", {"resource": {"terraform_data": resources}}))
    plan = tmp_path / "plan"
    with patch.dict(os.environ, local.environment, clear=True), patch("cli.drain.terraform.LOCK_SECONDS", 0):
        stack.init()
        assert [one.actions for one in stack.plan(["terraform_data.first"], plan)] == [CREATE]
        stack.apply(plan)
        assert [one.actions for one in stack.plan(["terraform_data.first"], plan)] == [("no-op",)]
        local.organization.named("producer").locked_by = "somebody"
        with pytest.raises(StateLockedError):
            stack.plan(["terraform_data.first"], plan)
    assert len(local.organization.named("producer").states) == 1


def test_terraform_enterprise_is_another_host(local: TerraformCloudUser, tmp_path: Path) -> None:
    """Terraform resolves the host of the configuration, which does not exist."""
    folder = write_cloud_stack(tmp_path, "producer", PRODUCER, hostname="tfe.acme.invalid")
    assert "tfe.acme.invalid" in local.fail(folder, "init")


# --- remote runs


def test_a_remote_run_reads_only_shared_states(remote: TerraformCloudUser) -> None:
    assert "1 added" in remote.run(remote.initialize("producer", PRODUCER), *APPLY)
    consumer = remote.initialize("consumer", CONSUMER)
    text = remote.fail(consumer, *APPLY)
    assert "Error retrieving state: forbidden" in text
    assert "a run of consumer may not read the state of producer" in text
    assert remote.organization.named("consumer").current() is None
    remote.share_state("producer", "consumer")
    remote.run(consumer, *APPLY)
    assert 'copy = "hello"' in remote.run(consumer, "output")


def test_a_remote_run_has_only_the_uploaded_folder_and_its_own_machine(
    remote: TerraformCloudUser, tmp_path: Path
) -> None:
    look = "ls -A; cat assets/file; ls -A $HOME; env"
    content = {"resource": {"terraform_data": {"x": {"provisioner": [{"local-exec": {"command": look}}]}}}}
    folder = write_cloud_stack(tmp_path, "producer", content)
    (folder / "assets").mkdir()
    (folder / "assets" / "file").write_text("from the asset\n", encoding="utf-8")
    (tmp_path / "beside").write_text("not uploaded\n", encoding="utf-8")
    remote.run(folder, "init")
    remote.organization.named("producer").variables["GOOGLE_CREDENTIALS"] = "of-the-workspace"
    text = remote.run(folder, *APPLY, MINE="not on the machine")
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


def test_a_plan_changes_nothing(remote: TerraformCloudUser) -> None:
    folder = remote.initialize("producer", PRODUCER)
    assert "Plan: 1 to add" in remote.run(folder, "plan")
    (run,) = remote.organization.runs.values()
    assert (run.status, run.wanted) == ("planned_and_finished", "plan only")
    assert remote.organization.named("producer").states == []


def test_a_failed_run_keeps_the_state_of_created_resources(remote: TerraformCloudUser) -> None:
    failing = {"provisioner": [{"local-exec": {"command": "exit 3"}}], "depends_on": ["terraform_data.x"]}
    content = {"resource": {"terraform_data": {"x": {"input": "made"}, "y": failing}}}
    folder = remote.initialize("producer", content)
    assert "exit status 3" in remote.fail(folder, *APPLY)
    current = remote.organization.named("producer").current()
    assert current is not None
    assert current.content is not None
    assert '"made"' in current.content.decode()
    (run,) = remote.organization.runs.values()
    assert run.status == "errored"


def test_the_token_of_a_run_expires_with_the_run(remote: TerraformCloudUser) -> None:
    command = {"provisioner": [{"local-exec": {"command": "echo token=$TF_TOKEN_app_terraform_io"}}]}
    folder = remote.initialize("producer", {"resource": {"terraform_data": {"x": command}}})
    text = remote.run(folder, *APPLY)
    (token,) = re.findall(r"\(local-exec\): token=(\S+)", text)
    assert token != remote.organization.user_token
    deadline = time.monotonic() + 10
    while token in remote.organization.tokens() and time.monotonic() < deadline:
        time.sleep(0.05)  # the run reports that it is applied, and then cleans up
    with pytest.raises(TerraformCloudError, match="unauthorized"):
        remote.organization.caller(token)


def test_an_uploaded_state_matches_its_checksum(local: TerraformCloudUser) -> None:
    """The fake checks it, so that a broken client would fail."""
    folder = local.initialize("producer", PRODUCER)
    local.run(folder, *APPLY)
    (version,) = local.organization.named("producer").states
    assert version.content is not None
    assert version.md5 == hashlib.md5(version.content, usedforsecurity=False).hexdigest()
