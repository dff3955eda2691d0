"""The real terraform with a fake bucket: states, locks, readers, and the project's own stacks."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from cli.repair.step import unlock_step
from cli.sources.terraform import StackFolder
from config.backend import GcsState
from tests.fake_cloud.storage import FakeBucket, ObjectVersion
from tests.fake_cloud.testing import PROJECT, FakeGcp, running
from tests.synthesized import synthesize
from tests.terraform.google_cloud import google_variables, in_fake_project
from tests.terraform.terraform import APPLY, PRODUCER, TerraformUser, consumer, write_stack
from tests.terraform.terraform_cloud_user import from_mirror
from tests.terraform.test_remote_runs import FLEET

pytestmark = pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not on this machine")

BUCKET = "acme-states"
LOCK = {"ID": "", "Operation": "OperationTypeApply", "Who": "somebody@elsewhere", "Created": "2026-11-25T10:00:00Z"}
CONSUMER = consumer("gcs", bucket=BUCKET, prefix="producer")


@dataclass
class BucketUser(TerraformUser):
    """A user of terraform with access to the bucket and the fake cloud."""

    gcp: FakeGcp
    bucket: FakeBucket

    def write(self, name: str, content: dict[str, Any]) -> Path:
        return write_stack(self.folder, name, {"backend": {"gcs": {"bucket": BUCKET, "prefix": name}}}, content)


@pytest.fixture
def user(tmp_path: Path) -> Iterator[BucketUser]:
    for name in ("home", "at"):
        (tmp_path / name).mkdir()
    (tmp_path / "terraform.rc").write_text("", encoding="utf-8")
    with running() as gcp:
        bucket = FakeBucket(BUCKET, gcp.server.cloud.identity)
        bucket.start()
        try:
            credentials = {"GOOGLE_CREDENTIALS": gcp.server.cloud.identity.credentials()}
            variables = {**google_variables(gcp), **bucket.variables(), **credentials}
            yield BucketUser(tmp_path, variables, gcp, bucket)
            assert [str(one) for one in bucket.conformance.disagreements()] == []
            calls = bucket.journal.calls() + gcp.server.journal.unknown()
            assert [str(call) for call in calls if call.status in (500, 501)] == []
        finally:
            bucket.stop()


def test_a_state_is_kept_and_locked_and_another_stack_reads_it(user: BucketUser) -> None:
    producer, consumer = user.write("producer", PRODUCER), user.write("consumer", CONSUMER)
    for folder in (producer, consumer):
        user.run(folder, "init")
        assert "Apply complete!" in user.run(folder, *APPLY)
        assert "No changes." in user.run(folder, "plan")
    assert 'copy = "hello"' in user.run(consumer, "output")
    assert set(user.bucket.objects) == {"producer/default.tfstate", "consumer/default.tfstate"}
    locks = [call for call in user.bucket.journal.calls() if call.path.endswith("producer/default.tflock")]
    assert {call.method for call in locks} == {"DELETE"}
    assert not list(user.folder.glob("*/*.tfstate"))


def test_a_lock_names_its_owner_and_force_unlock_removes_it(user: BucketUser) -> None:
    producer = user.write("producer", PRODUCER)
    user.run(producer, "init")
    user.bucket.objects["producer/default.tflock"] = ObjectVersion(json.dumps(LOCK).encode(), 77)
    text = user.fail(producer, *APPLY)
    assert "Error acquiring the state lock" in text
    assert "somebody@elsewhere" in text
    user.run(producer, "force-unlock", "-force", "77")
    assert "Apply complete!" in user.run(producer, *APPLY)


def test_mesh_repair_reads_the_state_and_its_lock(user: BucketUser) -> None:
    producer = user.write("producer", PRODUCER)
    user.run(producer, "init")
    user.run(producer, *APPLY)
    folder = StackFolder("producer", producer)
    with patch.dict(os.environ, user.environment, clear=True):
        assert '"hello"' in folder.pull()
        assert folder.lock_holder() is None
        lock = {
            "ID": "",
            "Operation": "OperationTypeApply",
            "Who": "somebody@elsewhere",
            "Created": "2026-11-25T10:00:00Z",
        }
        user.bucket.objects["producer/default.tflock"] = ObjectVersion(json.dumps(lock).encode(), 77)
        holder = folder.lock_holder()
    assert holder is not None
    assert (holder.id, holder.who, holder.operation) == ("77", "somebody@elsewhere", "OperationTypeApply")
    assert "producer/default.tflock" in user.bucket.objects


def test_the_lock_of_a_killed_terraform_is_released(user: BucketUser) -> None:
    """By what `mesh repair` does; not while a terraform runs on this machine."""
    script = {"provisioner": [{"local-exec": {"command": "test -e begun || { touch begun; exec sleep 60; }"}}]}
    path = user.write("slow", {"resource": {"terraform_data": {"slow": script}}})
    user.run(path, "init")
    ps, begun = user.folder / "ps", path / "begun"
    ps.write_text("#!/bin/sh\necho $RUNS\n", encoding="utf-8")
    ps.chmod(0o755)
    with subprocess.Popen(
        ["terraform", *APPLY], cwd=path, env=user.environment, stdout=subprocess.DEVNULL, start_new_session=True
    ) as process:
        deadline = time.monotonic() + 60
        while not begun.exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
    assert "Error acquiring the state lock" in user.fail(path, *APPLY)
    folder = StackFolder("slow", path)
    with patch.dict(os.environ, user.environment, clear=True):
        os.environ.update(PATH=f"{user.folder}:{os.environ['PATH']}", RUNS="terraform")
        holder = folder.lock_holder()
        assert holder is not None
        assert holder.operation == "OperationTypeApply"
        assert not holder.has_ended()
        os.environ["RUNS"] = "bash"
        assert holder.has_ended()
        assert not unlock_step(folder, holder).do()
    assert "Apply complete!" in user.run(path, *APPLY)


def test_a_wrong_token_or_bucket_is_an_error(user: BucketUser) -> None:
    producer = user.write("producer", PRODUCER)
    token = {"GOOGLE_CREDENTIALS": "", "GOOGLE_OAUTH_ACCESS_TOKEN": "somebody-elses"}
    assert "401" in user.fail(producer, "init", **token)
    file = producer / "cdk.tf.json"
    file.write_text(file.read_text(encoding="utf-8").replace(BUCKET, "theirs"), encoding="utf-8")
    assert "bucket" in user.fail(producer, "init")
    assert user.bucket.objects == {}


def test_the_projects_stacks_need_only_their_folders(user: BucketUser, provider_mirror: Path) -> None:
    (user.folder / "terraform.rc").write_text(from_mirror(provider_mirror), encoding="utf-8")
    backend = GcsState(type="gcs", bucket=BUCKET)
    synthesis = synthesize(in_fake_project(FLEET, backend=backend), user.folder / "at")
    network, clusters = (
        Path(shutil.copytree(synthesis.outdir / "stacks" / stack, user.folder / "alone" / stack))
        for stack in ("network", "clusters")
    )
    shutil.rmtree(synthesis.outdir)
    user.run(network, "init")
    assert "Apply complete!" in user.run(network, *APPLY)
    user.run(clusters, "init")
    count = sum(len(ones) for ones in synthesis.stacks["clusters"]["resource"].values())
    assert f"Plan: {count} to add, 0 to change, 0 to destroy." in user.run(clusters, "plan")
    assert set(user.bucket.objects) == {f"{PROJECT}_matt-{stack}/default.tfstate" for stack in ("network", "clusters")}
