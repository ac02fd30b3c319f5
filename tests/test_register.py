"""Our class stands under shapiq's names, and shapiq's own comes back."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest
from shapiq.explainer import configuration
from shapiq.explainer.agnostic import AgnosticExplainer

import shapiq_spex
from shapiq_spex import ProxySPEX, register, unregister
from shapiq_spex.register import OURS
from shapiq_spex.spectral.indices import INDICES

NAMES = configuration.APPROXIMATOR_CONFIGURATIONS
SHAPIQS_OWN = """
from shapiq.explainer.configuration import APPROXIMATOR_CONFIGURATIONS as names
before = dict(names)
import shapiq_spex
assert names["proxyspex"]["SV"] is shapiq_spex.ProxySPEX
from shapiq_spex.register import OURS
assert {name for name in names if names[name] is not before.get(name)} == set(OURS)
for _ in range(2):
    shapiq_spex.unregister()
    assert names.keys() == before.keys()
    assert all(names[name] is before[name] for name in before)
print("as before")
"""


@pytest.fixture(autouse=True)
def _the_registry_stays_as_it_was():
    before = dict(NAMES)
    yield
    register()
    assert before == NAMES


def test_importing_registers_every_index():
    for name, ours in OURS.items():
        assert set(NAMES[name]) == set(INDICES)
        assert set(NAMES[name].values()) == {ours}
    assert NAMES["proxyspex"]["k-SII"] is ProxySPEX


def test_a_fresh_process_gets_shapiqs_own_back():
    done = subprocess.run(
        [sys.executable, "-c", SHAPIQS_OWN], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "as before", done.stderr


def test_unregistering_and_registering_twice_is_harmless():
    unregister()
    own = dict(NAMES)
    unregister()
    assert NAMES.keys() == own.keys()
    assert all(NAMES[name] is own[name] for name in own)
    assert not any(ProxySPEX in classes.values() for classes in NAMES.values())
    register()
    register()
    assert NAMES["proxyspex"]["SV"] is ProxySPEX
    unregister()
    assert all(NAMES[name] is own[name] for name in own)


def test_names_shapiq_does_not_have_disappear_again(monkeypatch):
    monkeypatch.setitem(OURS, "a-new-name", ProxySPEX)
    register()
    assert NAMES["a-new-name"]["BII"] is ProxySPEX
    unregister()
    assert "a-new-name" not in NAMES


def test_other_names_and_auto_are_left_alone():
    after = {name: NAMES[name] for name in NAMES if name not in OURS}
    auto = configuration.SPEX
    chosen = type(AgnosticExplainer(len, n_players=5, index="SV", max_order=1).approximator)
    unregister()
    assert all(NAMES[name] is after[name] for name in after)
    assert configuration.SPEX is auto
    again = AgnosticExplainer(len, n_players=5, index="SV", max_order=1).approximator
    assert type(again) is chosen
    assert not chosen.__module__.startswith("shapiq_spex")


def test_importing_twice_changes_nothing():
    before = dict(NAMES)
    importlib.reload(shapiq_spex)
    assert before == NAMES
    unregister()
    assert not any(ProxySPEX in classes.values() for classes in NAMES.values())
