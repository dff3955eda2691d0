"""Variables that make terraform act on something other than the stacks say."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from config.paths import ROOT
from config.terraform_variables import KUBERNETES_PROVIDER, TerraformVariablesError, check

SECRET = "canary-token-1f0b9d"
OWN_FOLDER = {"TF_DATA_DIR": ".terraform-data"}


@pytest.mark.parametrize("name", sorted(KUBERNETES_PROVIDER))
def test_a_variable_of_the_kubernetes_provider_is_refused_by_name(name: str) -> None:
    with pytest.raises(TerraformVariablesError, match=rf"^{name} in .*: unset {name}$") as error:
        check({name: SECRET, "PATH": "/bin"})
    assert SECRET not in str(error.value)


@pytest.mark.parametrize("folder", ["/tmp/data", "../data", "a/../../data"])
def test_a_data_folder_of_all_stacks_is_refused(folder: str) -> None:
    with pytest.raises(TerraformVariablesError, match=r"^TF_DATA_DIR in .*share one data folder.*: unset TF_DATA_DIR$"):
        check({"TF_DATA_DIR": folder})


def test_another_workspace_is_refused() -> None:
    with pytest.raises(TerraformVariablesError, match=r"^TF_WORKSPACE in .*another state.*: unset TF_WORKSPACE$"):
        check({"TF_WORKSPACE": "production"})


def test_every_problem_is_reported() -> None:
    with pytest.raises(TerraformVariablesError) as error:
        check({"KUBE_TOKEN": SECRET, "KUBE_HOST": "https://other", "TF_DATA_DIR": "/tmp/data", "TF_WORKSPACE": "x"})
    lines = str(error.value).splitlines()
    assert [line.rpartition(": ")[2] for line in lines] == [
        *("unset KUBE_HOST KUBE_TOKEN", "unset TF_DATA_DIR", "unset TF_WORKSPACE")
    ]


@pytest.mark.parametrize(
    "variables",
    [{}, {"KUBE_TOKEN": ""}, {"KUBE_EDITOR": "vi"}, OWN_FOLDER, {"TF_DATA_DIR": ""}, {"TF_WORKSPACE": "default"}],
)
def test_what_changes_nothing_is_accepted(variables: dict[str, str]) -> None:
    check(variables)


@pytest.mark.process
@pytest.mark.parametrize("program", ["main.py", "config/terraform_variables.py"])
def test_nothing_is_synthesized(tmp_path: Path, program: str) -> None:
    """By plain cdktf main.py refuses, and by the project's own the file that tools/cdk runs."""
    result = subprocess.run(
        [sys.executable, "-I" if program != "main.py" else "-B", program],
        cwd=ROOT,
        env={**os.environ, "KUBE_TOKEN": SECRET, "TF_DATA_DIR": "/tmp/data", "CDKTF_OUTDIR": str(tmp_path / "out")},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode != 0
    assert (result.stdout, result.stderr.count("\n")) == ("", 2)
    assert "unset KUBE_TOKEN\n" in result.stderr
    assert SECRET not in result.stderr
    assert not (tmp_path / "out").exists()
