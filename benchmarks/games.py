"""The games the benchmarks measure on."""

from __future__ import annotations

from itertools import combinations

import numpy as np

REVIEW = """I went into this film expecting very little, and for the first half hour it seemed
determined to confirm every doubt I had about it. The jokes never land, the lighting is flat and the
hero has all the charm of a wet towel. Then something strange happens: the story stops trying to
please anybody, the villain turns out to be the only honest person in town, and a long quiet scene
in a kitchen becomes the most moving thing I have watched this year. It is not a great film, and
nobody could call the ending satisfying, but I cannot stop thinking about it. The supporting cast is
wonderful, the music is hardly ever intrusive, and the final shot almost redeems the clumsy script.
I would not recommend it to everyone, yet I have already seen it twice and I do not regret a single
minute of it. My sister, who walked out of the first screening, insists that I am
making excuses for a director who never learned when to stop, and she may well be right about the
dream sequence, which is twenty minutes too long and explains nothing. But when the old man folds
his letter, puts on his only clean shirt and goes back to the station, nobody in the theatre was
laughing any more. The camera work is patient rather than pretty, the dialogue sounds like people
who are tired of being polite, and even the dog gives a better performance than most actors I paid
to watch last winter. If you want a thriller, stay at home; if you can forgive an hour of mistakes
for ten minutes of truth, buy a ticket before it disappears."""
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
    """The first words of a review, scored by MiniLM; with a folder, values are kept there."""

    def __init__(self, words, cache=None):
        from shapiq_spex import Evaluator, TextGame

        self.game = TextGame.from_encoder(" ".join(REVIEW.split()[:words]), progress=False)
        self.n = self.game.n_players
        if cache is not None:
            cache.mkdir(parents=True, exist_ok=True)
            self.game = Evaluator(self.game, store=cache / f"review-{words}.sqlite", progress=False)

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
        self._prepare()
        variance = (self._weights**2).sum()
        self._sd = 0.0 if decibels is None else np.sqrt(variance / 10 ** (decibels / 10))
        self._noise = rng

    def _prepare(self):
        self._sets = np.zeros((self.n, len(self.terms)), dtype=np.float32)
        for column, players in zip(self._sets.T, self.terms, strict=True):
            column[list(players)] = 1
        self._weights = np.array(list(self.terms.values()))

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


class Hierarchy(Sparse):
    """Characters of all subsets of a few random sets, the coefficients uniform in [-1, 1].

    The complete hierarchy on which Butler et al. (2025) compare surrogates has 10 sets of 5.
    """

    def __init__(self, n, seed, count=10, degree=5):
        rng = np.random.default_rng([n, count, degree, seed])
        self.n, self.terms = n, {}
        for _ in range(count):
            players = sorted(rng.choice(n, degree, replace=False).tolist())
            for size in range(1, degree + 1):
                for subset in combinations(players, size):
                    self.terms[subset] = rng.uniform(-1, 1)
        self._prepare()

    def __call__(self, coalitions):
        return self.clean(coalitions)


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

    from shapiq_spex.proxyspex.plan import plan_masks

    masks = plan_masks(n, budget, np.random.default_rng(seed)).coalitions
    model = RidgeCV(alphas=np.logspace(-3, 4, 40)).fit(masks.astype(float), game(masks))
    return lambda coalitions: model.predict(coalitions.astype(float))
