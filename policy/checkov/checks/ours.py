"""Every rule of ours as a check of checkov's."""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

from checkov.common.models.enums import CheckCategories, CheckResult
from checkov.terraform.checks.resource.base_resource_check import BaseResourceCheck

from policy.checkov.prepared import FOLDER_VARIABLE, ORIGINAL, PSEUDO
from policy.environment import Environment, Place
from policy.rule import Rule, load


@cache
def _places(folder: str) -> dict[tuple[str, str, str], Place]:
    environment = Environment(json.loads(Path(folder, ORIGINAL).read_text(encoding="utf-8")))
    return {(place.stack, place.kind, place.name): place for place in environment.places}


class RuleCheck(BaseResourceCheck):  # type: ignore[misc]  # checkov is in an environment of its own
    """One rule. What checkov has made of the resource is not looked at: see `policy.checkov.prepared`."""

    def __init__(self, rule: Rule) -> None:
        super().__init__(
            name=rule.title,
            id=rule.id,
            categories=[CheckCategories.GENERAL_SECURITY],
            supported_resources=["*"],
            guideline=rule.source or rule.file,
        )
        self._rule = rule

    def scan_resource_conf(self, conf: dict[str, Any]) -> CheckResult:
        file, kind, name = self.entity_path.rsplit(":", 2)
        stack = Path(file).parent.name  # checkov's path begins at the folder that it scans
        place = _places(os.environ[FOLDER_VARIABLE])[stack, kind.removeprefix(PSEUDO), name]
        if not self._rule.concerns(place):
            return CheckResult.UNKNOWN
        return CheckResult.PASSED if self._rule.ask(place) else CheckResult.FAILED


CHECKS = [RuleCheck(rule) for rule in load().values()]
