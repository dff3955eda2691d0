"""Runs checkov on environments, in the Python environment that has checkov.

    python -m policy.checkov.scan FOLDER...

prints a line of JSON for each folder that `input_files.write_input` has written: each check
that passed or failed and where, and the files that checkov could not parse.
"""

import json
import logging
import sys
from pathlib import Path
from typing import Any

logging.disable(logging.CRITICAL)  # it logs errors without a network; unreadable files are in its report

from checkov.kubernetes.runner import Runner as KubernetesRunner  # noqa: E402
from checkov.runner_filter import RunnerFilter  # noqa: E402
from checkov.terraform_json.runner import TerraformJsonRunner  # noqa: E402

MANIFESTS, TERRAFORM = "manifests", "terraform"  # as in input_files.py, which needs more than checkov has


def scan(folder: Path) -> dict[str, Any]:
    """Return checkov's results for one environment."""
    runs = ((TERRAFORM, TerraformJsonRunner(), "terraform_json"), (MANIFESTS, KubernetesRunner(), "kubernetes"))
    result: dict[str, Any] = {"folder": str(folder), "passed": [], "failed": [], "unreadable": []}
    # checkov's name of a resource has no type.
    stacks = {file.parent.name: json.loads(file.read_text("utf-8")) for file in (folder / TERRAFORM).glob("*/*.json")}
    types = {
        (stack, name): f"{kind} of a service agent" if "@gcp-sa-" in block.get("member", "") else kind
        for stack, content in stacks.items()
        for kind, named in content["resource"].items()
        for name, block in named.items()
    }
    for part, runner, framework in runs:
        report = runner.run(root_folder=str(folder / part), runner_filter=RunnerFilter(framework=[framework]))
        result["unreadable"] += report.parsing_errors
        for outcome, records in (("passed", report.passed_checks), ("failed", report.failed_checks)):
            for record in records:
                place, name = record.file_path.split("/")[1], record.resource
                of = f"{place} {name.partition('.')[0]}" if part == MANIFESTS else types[place, name.rpartition(".")[2]]
                result[outcome].append([record.check_id, record.check_name, of, f"{part}{record.file_path} {name}"])
    return result


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        print(json.dumps(scan(Path(argument))), flush=True)
