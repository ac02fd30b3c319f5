"""The games the benchmarks measure on."""

from __future__ import annotations

import numpy as np

REVIEW = """I went into this film expecting very little, and for the first half hour it seemed
determined to confirm every doubt I had about it. The jokes never land, the lighting is flat and the
hero has all the charm of a wet towel. Then something strange happens: the story stops trying to
please anybody, the villain turns out to be the only honest person in town, and a long quiet scene
in a kitchen becomes the most moving thing I have watched this year. It is not a great film, and
nobody could call the ending satisfying, but I cannot stop thinking about it. The supporting cast is
wonderful, the music is hardly ever intrusive, and the final shot almost redeems the clumsy script.
I would not recommend it to everyone, yet I have already seen it twice and I do not regret a single
minute of it."""
TEST_MASKS = 1000


class Table:
    """A game whose values are all known."""

    def __init__(self, path):
        with np.load(path, allow_pickle=False) as data:
            coalitions, values = data["coalitions"], data["values"]
        self.n = coalitions.shape[1]
        self.table = np.empty(2**self.n)
        self.table[self._index(coalitions)] = values

    def _index(self, coalitions):
        return coalitions.astype(np.int64) @ (1 << np.arange(self.n))

    def __call__(self, coalitions):
        return self.table[self._index(coalitions)]

    def judged_on(self):
        return np.arange(2**self.n)[:, None] >> np.arange(self.n) & 1 == 1


class Review:
    """The first words of a review, scored by MiniLM."""

    def __init__(self, words):
        from shapiq_spex import TextGame

        self.game = TextGame.from_encoder(" ".join(REVIEW.split()[:words]), progress=False)
        self.n = self.game.n_players

    def __call__(self, coalitions):
        return self.game(coalitions)

    def judged_on(self):
        return np.random.default_rng(10**6 + self.n).random((TEST_MASKS, self.n)) < 0.5


class Sparse:
    """A sum of random characters, with noise if asked for.

    ``count`` sets of 1 to ``degree`` players, all sizes alike, with coefficients of random sign
    and a size uniform in [0.5, 1.5]. The noise is that of each evaluation, its variance that of the
    game divided by 10^(decibels / 10).
    """

    def __init__(self, n, count, degree, seed, decibels=None):
        rng = np.random.default_rng([n, count, degree, seed])
        self.n, self.terms = n, {}
        while len(self.terms) < count:
            size = rng.integers(1, degree + 1)
            players = tuple(sorted(rng.choice(n, size, replace=False).tolist()))
            self.terms[players] = float(rng.choice([-1, 1]) * rng.uniform(0.5, 1.5))
        self._sets = np.zeros((n, count), dtype=np.float32)
        for column, players in zip(self._sets.T, self.terms, strict=True):
            column[list(players)] = 1
        self._weights = np.array(list(self.terms.values()))
        variance = (self._weights**2).sum()
        self._sd = 0.0 if decibels is None else np.sqrt(variance / 10 ** (decibels / 10))
        self._noise = rng

    def clean(self, coalitions):
        values = np.empty(len(coalitions))
        for start in range(0, len(values), 4096):
            rows = slice(start, start + 4096)
            odd = (coalitions[rows].astype(np.float32) @ self._sets).astype(np.int64) & 1
            values[rows] = (1 - 2 * odd) @ self._weights
        return values

    def __call__(self, coalitions):
        return self.clean(coalitions) + self._sd * self._noise.standard_normal(len(coalitions))

    def judged_on(self):
        return np.random.default_rng(10**6 + self.n).random((TEST_MASKS, self.n)) < 0.5


def tables(folder, per_family):
    """Games (family, name, game) of a folder of folders of .npz files, evenly spread."""
    for family in sorted(path for path in folder.iterdir() if path.is_dir()):
        paths = sorted(family.glob("*.npz"))
        step = max(1, len(paths) // per_family)
        for path in paths[::step][:per_family]:
            yield family.name, path.stem, Table(path)


def main_effects(game, n, budget, seed):
    """What scikit-learn's RidgeCV on main effects makes of as many uniform masks: a predictor."""
    from sklearn.linear_model import RidgeCV

    from shapiq_spex.proxyspex.plan import plan_uniform

    masks = plan_uniform(n, budget, np.random.default_rng(seed)).coalitions
    model = RidgeCV(alphas=np.logspace(-3, 4, 40)).fit(masks.astype(float), game(masks))
    return lambda coalitions: model.predict(coalitions.astype(float))
