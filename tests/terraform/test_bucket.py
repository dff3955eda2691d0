"""The real terraform before the stand-in for a bucket: states, locks, readers, and the project's own stacks."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.fake_cloud.storage import FakeBucket, ObjectVersion
from tests.fake_cloud.testing import PROJECT, FakeGcp, running
from tests.synthesized import environment_of, synthesize
from tests.terraform.member import from_mirror
from tests.terraform.terraform import Desk
from tests.terraform.test_remote_runs import APPLY, FLEET, NOWHERE

pytestmark = pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not on this machine")

BUCKET = "acme-states"
PRODUCER = {
    "resource": {"terraform_data": {"x": {"input": "hello"}}},
    "output": {"o": {"value": "${terraform_data.x.output}"}},
}
READING = {"backend": "gcs", "config": {"bucket": BUCKET, "prefix": "producer"}}
CONSUMER = {
    "data": {"terraform_remote_state": {"producer": READING}},
    "output": {"copy": {"value": "${data.terraform_remote_state.producer.outputs.o}"}},
}


@dataclass
class BucketDesk(Desk):
    """A desk with a way to the bucket and the emulated cloud."""

    gcp: FakeGcp
    bucket: FakeBucket

    def stack(self, name: str, content: dict[str, Any]) -> Path:
        here = self.folder / name
        here.mkdir()
        block = {"backend": {"gcs": {"bucket": BUCKET, "prefix": name}}}
        (here / "cdk.tf.json").write_text(json.dumps({"terraform": block, **content}), encoding="utf-8")
        return here


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[BucketDesk]:
    for name in ("home", "at"):
        (tmp_path / name).mkdir()
    (tmp_path / "terraform.rc").write_text("", encoding="utf-8")
    with running() as gcp:
        bucket = FakeBucket(BUCKET, gcp.server.cloud.identity)
        bucket.start()
        try:
            variables = {
                **gcp.server.variables(),
                **bucket.variables(),
                "GOOGLE_CREDENTIALS": gcp.server.cloud.identity.credentials(),
                "HTTPS_PROXY": NOWHERE,
                "NO_PROXY": "127.0.0.1",
            }
            yield BucketDesk(tmp_path, variables, gcp, bucket)
            calls = bucket.journal.calls() + gcp.server.journal.unknown()
            assert [str(call) for call in calls if call.status in (500, 501)] == []
        finally:
            bucket.stop()


def test_a_state_is_kept_locked_and_read_by_another_stack(desk: BucketDesk) -> None:
    producer, consumer = desk.stack("producer", PRODUCER), desk.stack("consumer", CONSUMER)
    for folder in (producer, consumer):
        desk.ok(folder, "init")
        assert "Apply complete!" in desk.ok(folder, *APPLY)
        assert "No changes." in desk.ok(folder, "plan")
    assert 'copy = "hello"' in desk.ok(consumer, "output")
    assert set(desk.bucket.objects) == {"producer/default.tfstate", "consumer/default.tfstate"}
    locks = [call for call in desk.bucket.journal.calls() if call.path.endswith("producer/default.tflock")]
    assert {call.method for call in locks} == {"DELETE"}
    assert not list(desk.folder.glob("*/*.tfstate"))


def test_a_lock_is_somebodys_and_can_be_broken_by_its_id(desk: BucketDesk) -> None:
    producer = desk.stack("producer", PRODUCER)
    desk.ok(producer, "init")
    lock = {"ID": "", "Operation": "OperationTypeApply", "Who": "somebody@elsewhere", "Created": "2026-11-25T10:00:00Z"}
    desk.bucket.objects["producer/default.tflock"] = ObjectVersion(json.dumps(lock).encode(), 77)
    text = desk.refused(producer, *APPLY)
    assert "Error acquiring the state lock" in text
    assert "somebody@elsewhere" in text
    desk.ok(producer, "force-unlock", "-force", "77")
    assert "Apply complete!" in desk.ok(producer, *APPLY)


def test_a_wrong_token_and_another_bucket(desk: BucketDesk) -> None:
    producer = desk.stack("producer", PRODUCER)
    token = {"GOOGLE_CREDENTIALS": "", "GOOGLE_OAUTH_ACCESS_TOKEN": "somebody-elses"}
    assert "401" in desk.refused(producer, "init", **token)
    file = producer / "cdk.tf.json"
    file.write_text(file.read_text(encoding="utf-8").replace(BUCKET, "theirs"), encoding="utf-8")
    assert "bucket" in desk.refused(producer, "init")
    assert desk.bucket.objects == {}


def test_the_projects_stacks_from_their_folders_alone(desk: BucketDesk, provider_mirror: Path) -> None:
    """As their caller: see `test_remote_runs.synthesized`."""
    (desk.folder / "terraform.rc").write_text(from_mirror(provider_mirror), encoding="utf-8")
    lines = FLEET.read_text(encoding="utf-8").replace("my-mesh-project", PROJECT).splitlines()
    text = "\n".join(line for line in lines if "impersonate_service_account" not in line)
    synthesis = synthesize(environment_of(f"{text}\nbackend: {{type: gcs, bucket: {BUCKET}}}\n"), desk.folder / "at")
    network, clusters = (
        Path(shutil.copytree(synthesis.outdir / "stacks" / stack, desk.folder / "alone" / stack))
        for stack in ("network", "clusters")
    )
    shutil.rmtree(synthesis.outdir)
    desk.ok(network, "init")
    assert "Apply complete!" in desk.ok(network, *APPLY)
    desk.ok(clusters, "init")
    count = sum(len(ones) for ones in synthesis.stacks["clusters"]["resource"].values())
    assert f"Plan: {count} to add, 0 to change, 0 to destroy." in desk.ok(clusters, "plan")
    assert set(desk.bucket.objects) == {f"{PROJECT}_matt-{stack}/default.tfstate" for stack in ("network", "clusters")}
