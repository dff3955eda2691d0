"""Every rule of the policy as a checkov check."""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

from checkov.common.models.enums import CheckCategories, CheckResult
from checkov.terraform.checks.resource.base_resource_check import BaseResourceCheck

from policy.checkov.input_files import FOLDER_VARIABLE, ORIGINAL, PSEUDO
from policy.environment import Entity, SynthesizedEnvironment
from policy.rule import Rule, load


@cache
def _entities(folder: str) -> dict[tuple[str, str, str], Entity]:
    environment = SynthesizedEnvironment(json.loads(Path(folder, ORIGINAL).read_text(encoding="utf-8")))
    return {(entity.stack, entity.kind, entity.name): entity for entity in environment.entities}


class RuleCheck(BaseResourceCheck):  # type: ignore[misc]  # checkov is in an environment of its own
    """One rule. It reads the original JSON, not checkov's view of it: see `policy.checkov.input_files`."""

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
        entity = _entities(os.environ[FOLDER_VARIABLE])[stack, kind.removeprefix(PSEUDO), name]
        if not self._rule.applies_to(entity):
            return CheckResult.UNKNOWN
        return CheckResult.PASSED if self._rule.passes(entity) else CheckResult.FAILED


CHECKS = [RuleCheck(rule) for rule in load().values()]
