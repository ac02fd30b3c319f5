"""Values by coalition, against a dictionary."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shapiq_spex.evaluation import keys as stored
from shapiq_spex.spectral.coalitions import PackedCoalitions
from shapiq_spex.spectral.known import Known, keys_of
from shapiq_spex.spectral.walsh import table_index


@given(seed=st.integers(0, 10**6), n=st.integers(1, 11), batches=st.integers(0, 4))
def test_what_is_known_is_a_dictionary(seed, n, batches):
    rng = np.random.default_rng(seed)
    known, slow = Known(np.zeros((0, n), dtype=bool), np.zeros(0)), {}
    for _ in range(batches):
        rows = rng.random((rng.integers(0, 12), n)) < 0.5
        new = known.unknown(rows)
        expected = {tuple(row): None for row in rows if tuple(row) not in slow}
        assert list(map(tuple, new)) == list(expected)
        assert known.has(rows).tolist() == [tuple(row) in slow for row in rows]
        known.add(new, table_index(new) * 1.5)
        slow |= {tuple(row): table_index(row[None])[0] * 1.5 for row in new}
        assert known.look_up(rows).tolist() == [slow[tuple(row)] for row in rows]
    assert dict(zip(map(tuple, known.coalitions), known.values, strict=True)) == slow
    keys = keys_of(known.coalitions)
    assert len(set(keys)) == len(keys) == len(slow)


@given(seed=st.integers(0, 10**6), n=st.integers(1, 70), m=st.integers(0, 9))
def test_the_keys_of_a_store_and_of_packed_coalitions_are_the_same(seed, n, m):
    rows = np.random.default_rng(seed).random((m, n)) < 0.5
    keys = keys_of(rows)
    assert keys == stored.keys_of(rows)
    assert keys == [bytes(key) for key in PackedCoalitions.of(rows).keys]
    np.testing.assert_array_equal(stored.coalitions_of(keys, n), rows)
