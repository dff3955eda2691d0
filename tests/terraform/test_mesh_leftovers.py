"""What a mesh has left on the network stops a destroy by the real google provider, which then names `mesh audit`."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.paths import ROOT
from tests.fake_cloud.testing import COMPUTE, PROJECT, FakeGcp, enable, running
from tests.synthesized import EXAMPLES, synthesize
from tests.terraform.google_cloud import google_variables, in_fake_project
from tests.terraform.terraform import APPLY, VARIABLES, Result, error_of, initialized, output_of, run_terraform

HINT = "`mesh audit`"
DESTROY = (
    sys.executable,
    "-I",
    str(ROOT / "tools" / "next_command.py"),
    "destroy",
    "terraform",
    "destroy",
    "-auto-approve",
    "-no-color",
)


@pytest.fixture
def gcp(_providers: None) -> Iterator[FakeGcp]:
    with running() as found:
        enable(found.client())
        yield found


def test_a_destroy_stops_until_the_groups_are_deleted(gcp: FakeGcp, tmp_path: Path) -> None:
    environment = in_fake_project(EXAMPLES / "fleet.yaml")
    stack = synthesize(environment, tmp_path).stacks["network"]
    kinds = ("google_compute_network", "google_compute_subnetwork")
    resources = {kind: stack["resource"][kind] for kind in kinds}
    for resource in [one for same in resources.values() for one in same.values()]:
        # They lead to resources that are not here.
        resource.pop("depends_on", None)
        resource.pop("lifecycle", None)
    content = {
        "terraform": {"required_providers": {"google": stack["terraform"]["required_providers"]["google"]}},
        "provider": {"google": [{"project": PROJECT}]},
        "resource": resources,
    }
    folder = tmp_path / "terraform"
    folder.mkdir()
    (folder / "main.tf.json").write_text(json.dumps(content), encoding="utf-8")
    variables = google_variables(gcp) | {"GOOGLE_OAUTH_ACCESS_TOKEN": gcp.token()}
    initialized(folder)
    run_terraform(folder, *APPLY, **variables)
    client = gcp.client()
    network = f"{gcp.base}{COMPUTE}/global/networks/{environment.names.vpc}"
    location = next(region.location for region in environment.resolved_regions())
    subnet = f"{gcp.base}{COMPUTE}/regions/{location}/subnetworks/{environment.names.subnet}"
    groups = f"{COMPUTE}/zones/{location}-a/networkEndpointGroups"
    client.ok("POST", groups, {"name": "gsmrsvd-1", "network": network, "subnetwork": subnet})

    def destroy() -> Result:
        return subprocess.run(
            DESTROY,
            cwd=folder,
            env={**os.environ, **VARIABLES, **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    refused = error_of(destroy())
    for words in ("is already being used by", "gsmrsvd-1", HINT):
        assert words in refused
    client.ok("DELETE", f"{groups}/gsmrsvd-1")
    assert "Destroy complete!" in output_of(destroy())
