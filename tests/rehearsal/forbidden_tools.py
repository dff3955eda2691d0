"""Programs that must not be called: a call is recorded and fails."""

from collections.abc import Mapping
from pathlib import Path

PROGRAMS = ("asmcli", "curl", "gcloud", "gke-gcloud-auth-plugin", "istioctl", "jq", "kubectl")
"""The programs that scripts and the kubernetes provider call."""

LOCAL_EXEC = '"local-exec"'

_PROGRAM = """#!/bin/sh
printf '%s %s\\n' "${0##*/}" "$*" >>'CALLS'
printf '%s: forbidden here\\n' "${0##*/}" >&2
exit 127
"""


class ForbiddenTools:
    """A folder for the front of a PATH."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder / "bin"
        self._calls = folder / "calls"
        self._folder.mkdir()
        for name in PROGRAMS:
            program = self._folder / name
            program.write_text(_PROGRAM.replace("CALLS", str(self._calls)), encoding="utf-8")
            program.chmod(0o755)

    def variables(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Return an environment in which the programs fail."""
        return {**variables, "PATH": f"{self._folder}:{variables['PATH']}"}

    def calls(self) -> list[str]:
        """Return the recorded command lines."""
        return self._calls.read_text(encoding="utf-8").splitlines() if self._calls.exists() else []


def local_execs(output: Path) -> tuple[int, int]:
    """Return the number of stacks in cdktf's folder, and the number of their local-exec provisioners."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(output.glob("stacks/*/cdk.tf.json"))]
    return len(texts), sum(text.count(LOCAL_EXEC) for text in texts)
