from __future__ import annotations

from math import comb, log

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from shapiq_spex.spex.evidence import FALSE, prices, weigh
from shapiq_spex.spex.measure import Places


def one_set(seen, sign, rounding=1e-20, taken=0):
    """Evidence for one set that falls into the rows of ``seen``."""
    places = Places(np.arange(len(seen))[:, None], sign[None])
    found = weigh(seen, np.full(len(seen), taken), places, rounding)
    return found.gain[0], found.amplitude[0]


def gain_at(rho, seen, sign):
    """The formula of the module, word for word."""
    energy, own = (seen**2).mean(axis=1), (seen * sign).mean(axis=1)
    return len(sign) / 2 * np.log(energy / (energy - 2 * rho * own + rho**2)).sum()


@pytest.mark.parametrize("seed", range(20))
def test_the_gain_is_the_largest_over_all_amplitudes(seed):
    rng = np.random.default_rng(seed)
    sign = rng.choice([-1.0, 1.0], 30)
    # Bins as they come: nearly clean, and with other sets in them.
    seen = 0.7 * sign + rng.normal(size=(3, 30)) * np.array([[0.05], [0.6], [2.0]])
    grid = np.linspace(-2, 2, 4001)
    start = grid[np.argmax([gain_at(rho, seen, sign) for rho in grid])]
    best = minimize_scalar(
        lambda rho: -gain_at(rho, seen, sign), bounds=(start - 1e-2, start + 1e-2), method="bounded"
    )
    gain, amplitude = one_set(seen, sign)
    assert gain == pytest.approx(-best.fun, rel=1e-6)
    assert amplitude == pytest.approx(best.x, abs=1e-4)


def test_a_bin_that_contradicts_counts_against_a_set():
    rng = np.random.default_rng(0)
    sign = rng.choice([-1.0, 1.0], 30)
    here = sign + 0.1 * rng.normal(size=30)
    agreed, _ = one_set(np.stack([here, sign + 0.1 * rng.normal(size=30)]), sign)
    unclear, _ = one_set(np.stack([here, 3 * rng.normal(size=30)]), sign)
    absent, _ = one_set(np.stack([here, 0.1 * rng.normal(size=30)]), sign)
    assert agreed > unclear > 0
    assert absent < 0.6 * unclear


def test_what_was_taken_out_of_a_bin_has_taken_freedom_along():
    rng = np.random.default_rng(3)
    sign = rng.choice([-1.0, 1.0], 30)
    seen = 0.5 * sign + rng.normal(size=(1, 30))
    gain, _ = one_set(seen, sign)
    for taken, freedom in ((10, 20), (29, 1), (40, 0)):
        assert one_set(seen, sign, taken=taken)[0] == pytest.approx(gain * freedom / 30)


def test_an_exact_bin_decides_the_amplitude_exactly():
    rng = np.random.default_rng(1)
    sign = rng.choice([-1.0, 1.0], 30)
    _, amplitude = one_set(np.stack([0.3 * sign, 0.3 * sign + rng.normal(size=30)]), sign)
    assert amplitude == pytest.approx(0.3, abs=1e-12)


def test_noise_alone_pays_the_price_as_rarely_as_promised():
    # Three bins of noise; the gain of one given set is half a chi-square of one degree of freedom,
    # so it passes x with probability below exp(-x). 2,000 draws, against the price ln 1/q.
    rng = np.random.default_rng(2)
    gains = []
    for _ in range(2000):
        sign = rng.choice([-1.0, 1.0], 40)
        gains.append(one_set(rng.normal(size=(3, 40)), sign)[0])
    for q in (0.2, 0.05):
        share = np.mean(np.array(gains) > log(1 / q))
        assert share < q
    assert np.mean(np.array(gains) > 0.5) > 0.2  # chi-square: P(> 1) = 0.317


def test_prices_name_one_set_among_all():
    found = prices(40, 3)
    for size in range(4):
        assert found[size] == pytest.approx(log(comb(40, size)) + log(4) - log(FALSE))
    assert prices(2, 4)[3:].tolist() == [np.inf, np.inf]
