"""shapiq_benchmark runs our classes on every index."""

from __future__ import annotations

import pytest

import naive
from approximators import FEW_TREES, random_table
from shapiq_spex import SPEX, ProxySPEX
from shapiq_spex.spex.plan import largest_design

pytest.importorskip(
    "shapiq_benchmark", reason="shapiq_benchmark comes with shapiq 1.8", exc_type=ImportError
)

CASES = [("SV", 1), ("BV", 1)] + [
    (index, order)
    for index in ("Moebius", "SII", "k-SII", "STII", "FSII", "FBII", "BII")
    for order in (1, 2)
]
N, CODED = 9, 300


class ProxySPEXTrees(ProxySPEX):
    """A partial counts as unsupported there, a subclass is the way to other settings."""

    def __init__(self, *, n, max_order, index, random_state=None):
        super().__init__(
            n=n, max_order=max_order, index=index, proxy=FEW_TREES, random_state=random_state
        )


@pytest.fixture(scope="module")
def benchmark():
    from shapiq import Game
    from shapiq_benchmark import Benchmark

    class TableGame(Game):
        def __init__(self):
            super().__init__(N, normalize=False)

        def value_function(self, coalitions):
            return naive.as_game(random_table(N))(coalitions)

    return Benchmark(TableGame())


@pytest.mark.parametrize(("index", "order"), CASES)
def test_no_run_fails_and_all_coalitions_are_exact(benchmark, index, order):
    from shapiq_benchmark import run

    assert largest_design(N, CODED, 5) is not None
    table = run(
        benchmark, [ProxySPEX, ProxySPEXTrees, SPEX], [20, CODED, 2**N], index=index, order=order,
        with_faithfulness=True,
    )  # fmt: skip
    assert len(table) == 9
    assert set(table.status) == {"ok"}, table.error.tolist()
    assert set(table.approximator) == {"ProxySPEX", "ProxySPEXTrees", "SPEX"}
    exact = table[table.budget == 2**N]
    assert (exact.mse < 1e-12).all()
    assert set(table.scored_orders) == {"1" if order == 1 else "1-2"}


@pytest.mark.parametrize(("index", "order"), [("FSII", 2), ("FBII", 2)])
def test_the_faithful_indices_are_the_most_faithful(benchmark, index, order):
    """The baseline belongs to the prediction; with a wrong one this fails."""
    from shapiq_benchmark import run

    def faithfulness(name):
        table = run(benchmark, [ProxySPEX], [2**N], index=name, order=order, with_faithfulness=True)
        return float(table.faithfulness.iloc[0])

    assert faithfulness(index) > faithfulness("k-SII")
