"""The bar that shows how far an evaluation is."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tqdm.auto import tqdm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["progress_bar"]


@contextmanager
def progress_bar(shown: bool, total: int, known: int) -> Iterator[Callable[[int], object]]:
    """A bar to be told of masks done; without one tqdm stays out of it altogether.

    Even a disabled bar takes the lock of all bars, which an ill-timed Ctrl-C leaves held.
    """
    if shown:
        with tqdm(total=total, initial=known, desc="Evaluating", unit="mask") as bar:
            yield bar.update
    else:
        yield lambda _: None
