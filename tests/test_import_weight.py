"""`import shapiq_spex` loads nothing that `import shapiq` has not loaded already."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
FORBIDDEN = {"IPython", "dask", "distributed", "lightgbm", "tokenizers", "torch", "transformers"}
FORBIDDEN |= {"xgboost"}
# Compiled modules of numpy, scipy and the like register helpers of their own under such names.
COMPILED_HELPERS = ("_", "cython_runtime")
LIST_MODULES = """
import json, sys
import {package}
assert {package}.__file__, "a namespace package: there is no __init__.py"
print(json.dumps(sorted({{name.partition(".")[0] for name in sys.modules}})))
"""


def packages_after_importing(package: str) -> set[str]:
    code = LIST_MODULES.format(package=package)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def added_by(package: str, *, beyond: str) -> set[str]:
    added = packages_after_importing(package) - packages_after_importing(beyond)
    added -= sys.stdlib_module_names | {package.partition(".")[0]}
    return {name for name in added if not name.startswith(COMPILED_HELPERS)}


def test_import_adds_nothing_to_what_shapiq_imports():
    # The evaluation room too, whether or not the package's own file asks for it.
    added = added_by("shapiq_spex.evaluation", beyond="shapiq")
    assert not added & FORBIDDEN, f"import shapiq_spex loads {sorted(added & FORBIDDEN)}"
    assert not added, f"import shapiq_spex loads {sorted(added)}, which shapiq does not load"


def test_the_check_sees_an_added_package():
    assert "numpy" in added_by("shapiq", beyond="json")
