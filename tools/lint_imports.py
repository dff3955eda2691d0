"""Runs import-linter on the contracts of pyproject.toml: `make test`.

The folder `constructs` has the name of a library that it extends (see GOTCHAS.md), and
import-linter would look into the library. A spec of the folder alone comes first.
"""

import sys
from contextlib import redirect_stdout
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from io import StringIO
from pathlib import Path

from importlinter.cli import lint_imports

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Return the exit status: 0 if every contract is kept."""
    spec = ModuleSpec("constructs", None, is_package=True)
    spec.submodule_search_locations = [str(ROOT / "constructs")]
    sys.modules["constructs"] = module_from_spec(spec)
    sys.path.insert(0, str(ROOT))
    with redirect_stdout(StringIO()) as report:
        status = lint_imports(config_filename=str(ROOT / "pyproject.toml"), cache_dir=str(ROOT / ".tools" / "imports"))
    if status:
        print(report.getvalue())
    return status


if __name__ == "__main__":
    sys.exit(main())
