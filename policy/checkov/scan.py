"""Runs checkov on environments, in the Python environment that has checkov.

    python -m policy.checkov.scan FOLDER...

prints a line of JSON for each folder that `input_files.write_input` has written: each check
that passed or failed and where, and the files that checkov could not parse.
"""

import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

# With the handler, instances of a for_each replace their resource, and our rules do not find them in the JSON.
os.environ["CHECKOV_ENABLE_FOREACH_HANDLING"] = "False"
logging.disable(logging.CRITICAL)  # it logs errors without a network; unreadable files are in its report

from checkov.kubernetes.runner import Runner as KubernetesRunner  # noqa: E402
from checkov.runner_filter import RunnerFilter  # noqa: E402
from checkov.terraform_json.runner import TerraformJsonRunner  # noqa: E402

from policy.checkov.input_files import FOLDER_VARIABLE, MANIFESTS, TERRAFORM  # noqa: E402

CHECKS = Path(__file__).parent / "checks"


def scan(folder: Path) -> dict[str, Any]:
    """Return checkov's results for one environment."""
    runs = (
        (TERRAFORM, TerraformJsonRunner(), "terraform_json", [str(CHECKS)]),
        (MANIFESTS, KubernetesRunner(), "kubernetes", None),
    )
    os.environ[FOLDER_VARIABLE] = str(folder)
    result: dict[str, Any] = {"folder": str(folder), "passed": [], "failed": [], "unreadable": []}
    for part, runner, framework, external in runs:
        report = runner.run(
            root_folder=str(folder / part),
            external_checks_dir=external,
            runner_filter=RunnerFilter(framework=[framework]),
        )
        result["unreadable"] += report.parsing_errors
        for outcome, records in (("passed", report.passed_checks), ("failed", report.failed_checks)):
            for record in records:
                where = f"{part}{record.file_path} {record.resource}"
                result[outcome].append([record.check_id, record.check_name, where])
    return result


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        print(json.dumps(scan(Path(argument))), flush=True)
