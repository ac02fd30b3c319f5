"""The versions of the packages that values and results may depend on."""

from __future__ import annotations

import platform
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version

# By import name and by the name a package is installed under.
_PACKAGES = {
    "shapiq_spex": "shapiq-spex",
    "shapiq": "shapiq",
    "numpy": "numpy",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "torch": "torch",
    "transformers": "transformers",
    "lightgbm": "lightgbm",
    "xgboost": "xgboost",
}


def loaded_versions() -> dict[str, str]:
    """The versions of Python and of those packages that are loaded.

    Example:
        >>> loaded_versions()["numpy"] == version("numpy")
        True
    """
    loaded = {name: _version(name) for module, name in _PACKAGES.items() if module in sys.modules}
    told = {package: found for package, found in loaded.items() if found is not None}
    return {"python": platform.python_version()} | told


@cache
def _version(package: str) -> str | None:
    """The version installed, None if it is run from a folder."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
