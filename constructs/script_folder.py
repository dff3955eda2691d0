"""The shell scripts, shipped with the stack that runs them."""

import hashlib

from config.paths import ROOT
from constructs import Construct
from constructs.bindings import AssetType, TerraformAsset

SCRIPTS = ROOT / "scripts"
LIBRARY = "lib.sh"

INTERPRETER = ("bash", "-p")
"""Without the caller's exported functions, BASH_ENV and SHELLOPTS: with noexec in the latter, bash runs nothing and
exits with 0. There is no other shell between terraform and the script.

Source: https://www.gnu.org/software/bash/manual/html_node/The-Set-Builtin.html
"""


class ScriptFolder(Construct):
    """A copy of ``scripts/`` inside the stack's own output folder.

    Terraform runs in that folder, so a relative command also works where only the
    folder is uploaded.
    """

    def __init__(self, scope: Construct, id_: str) -> None:
        super().__init__(scope, id_)
        asset = TerraformAsset(self, "Default", path=str(SCRIPTS), type=AssetType.DIRECTORY)
        self._folder: str = asset.path

    def command(self, script: str) -> str:
        """Return the command that runs a script by `INTERPRETER`: its path. Inputs are environment variables."""
        return f"{self._folder}/{script}"

    @staticmethod
    def digest(script: str) -> str:
        """Return a checksum of a script and the library that it sources."""
        content = hashlib.sha256()
        for name in (script, LIBRARY):
            content.update((SCRIPTS / name).read_bytes())
        return content.hexdigest()[:16]
