"""Removal of tokens, against the obvious loop."""

from __future__ import annotations

import numpy as np
import pytest

from shapiq_spex.games.players import Player
from shapiq_spex.games.removal import Delete, Mask, make_removal, token_owners

IDS = np.array([101, 11, 12, 13, 11, 102], dtype=np.int32)
OWNERS = np.array([-1, 0, 1, 1, 2, -1])
ALL = np.array([[bool(i >> j & 1) for j in range(3)] for i in range(8)])


def naive(coalition, replacement):
    sequence = []
    for token, owner in zip(IDS, OWNERS, strict=True):
        if owner == -1 or coalition[owner]:
            sequence.append(int(token))
        elif replacement is not None:
            sequence.append(replacement)
    return sequence


@pytest.mark.parametrize(("removal", "replacement"), [(Mask(103), 103), (Delete(), None)])
def test_agrees_with_the_loop_on_every_coalition(removal, replacement):
    sequences = removal(IDS, OWNERS, ALL)
    assert [s.tolist() for s in sequences] == [naive(row, replacement) for row in ALL]
    assert all(s.dtype == np.int32 for s in sequences)


def test_the_full_coalition_is_the_text_itself():
    for removal in (Mask(103), Delete()):
        np.testing.assert_array_equal(removal(IDS, OWNERS, ALL[-1:])[0], IDS)


def test_deleting_everything_leaves_the_empty_token():
    sequences = Delete(empty_id=5)(IDS[1:3], np.array([0, 1]), np.array([[False, False]]))
    assert [s.tolist() for s in sequences] == [[5]]


def test_owners_are_read_from_the_players():
    players = [Player("a", 0, 1, (1,)), Player("b", 2, 5, (2, 3)), Player("c", 6, 7, (4,))]
    np.testing.assert_array_equal(token_owners(players, 6), OWNERS)


def test_mask_needs_a_mask_token():
    with pytest.raises(ValueError, match="needs a mask token.*removal='delete'"):
        make_removal("mask", OWNERS, mask_id=None, empty_id=None)


def test_delete_needs_a_token_to_be_left():
    with pytest.raises(ValueError, match="leaves no token at all.*bos_token"):
        make_removal("delete", OWNERS[1:-1], mask_id=None, empty_id=None)
    assert make_removal("delete", OWNERS, mask_id=None, empty_id=None) == Delete()
    assert make_removal("delete", OWNERS[1:-1], mask_id=None, empty_id=0) == Delete(0)


def test_an_empty_sequence_without_an_empty_token_is_refused():
    with pytest.raises(ValueError, match="needs an empty_id"):
        Delete()(IDS[1:2], np.array([0]), np.array([[False]]))


def test_unknown_removal_names_the_known_ones():
    with pytest.raises(ValueError, match="mask or delete, but 'blur'"):
        make_removal("blur", OWNERS, mask_id=1, empty_id=1)
