"""Many models at once where memory is short: halves, down to one after another."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from games.test_training_torch import cnn, game_of, some_sets, torch

ERRORS = {
    "torch": lambda: torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
    "plain": lambda: RuntimeError("CUDA error: out of memory"),
    "cpu": lambda: RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"),
    "python": MemoryError,
}


def little_memory(monkeypatch, room, error=ERRORS["torch"]):
    """Training more than so many models fails; the numbers that were tried."""
    from shapiq_spex.games.training import stacked

    counts = []
    gradients = stacked.StackedModels.gradients

    def full(self, *arguments):
        counts.append(self._count)
        if self._count > room:
            raise error()
        return gradients(self, *arguments)

    monkeypatch.setattr(stacked.StackedModels, "gradients", full)
    return counts


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
def test_running_out_of_memory_halves_the_models_at_once(monkeypatch, error):
    sets = some_sets()
    right = game_of().outputs(sets)
    counts = little_memory(monkeypatch, 2, error)
    game = game_of()
    np.testing.assert_allclose(game.outputs(sets), right, rtol=0, atol=1e-5)
    assert counts[0] == 9
    assert set(counts) == {9, 4, 2}
    before = len(counts)
    game.outputs(~sets)
    assert max(counts[before:]) == 2  # what fitted is remembered


def test_where_only_one_fits_models_are_trained_one_after_another(monkeypatch):
    sets = some_sets()
    right = game_of(cnn).outputs(sets)
    counts = little_memory(monkeypatch, 1)
    game = game_of(cnn)
    np.testing.assert_allclose(game.outputs(sets), right, rtol=0, atol=1e-5)
    assert set(counts) == {9, 4, 2, 1}
    monkeypatch.setattr(torch.func, "vmap", None)  # no longer needed
    np.testing.assert_allclose(game.outputs(~sets)[0], right[1], rtol=0, atol=1e-5)


def test_an_error_of_another_kind_passes_through(monkeypatch):
    counts = little_memory(monkeypatch, 0, lambda: RuntimeError("shapes differ"))
    with pytest.raises(RuntimeError, match="shapes differ"):
        game_of()(some_sets())
    assert set(counts) == {9}
    counts = little_memory(monkeypatch, 0)
    with pytest.raises(torch.OutOfMemoryError):  # not even one fits
        game_of()(some_sets())
    assert counts[-1] == 1
