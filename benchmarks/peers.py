"""The peers of faithfulness.py: other people's estimators, each in its best reading.

A method gets a job (n, budget, seed, indices) and a game, and returns what it says the game is:

- "fourier": {set: F}, sum of F(S) (-1)^|S and x|;
- "moebius": {set: a}, sum of a(T) over the T within x, () the intercept;
- "predicted": its values on the coalitions ``job["judged"]``;
- "values": {index: {set: value}}, where the job asks for indices.

How each is read:

- proxyspex: shapiq's ProxySPEX with default settings, by its final Fourier coefficients, before
  they are cut to an order or turned into an index.
- proxyshap: ProxySHAP with default settings (XGBoost, no adjustment), by what its trees predict
  with all their interactions; its indices are those it reports. proxyshap-msr: the indices with
  its adjustment of the residuals.
- kernelshapiq-k: KernelSHAP-IQ; v(empty) plus the k-SII of order k of all subsets. inconsistent:
  its other variant, asked for indices alone, since as a function it is fsii-2.
- fbii-k, fsii-k: shapiq's regressions; as a polynomial, which is what they fit. fbii draws
  coalitions uniformly, the measure of its loss, not by shapiq's default weights.
- shap: KernelSHAP, and banzhaf: the regression FBII of order 1 on uniform coalitions; both as
  additive games.
- lime: LimeBase of the package lime with the kernel of its text explainer (cosine distance, width
  25) and its ridge, on all players. On uniform coalitions and the full one, not its own, since
  uniform ones are what it is judged on.
- lasso-k: scikit-learn's LassoCV on all characters of orders 1 to k, ridge: RidgeCV on those of
  order 1; uniform coalitions.
- leverageshap, oddshap, polyshap, regressionmsr, svarmiq, shapiq, permutation: shapiq's estimators
  of single indices with default settings. svarmiq and shapiq are asked for k-SII and STII: their
  FBII and FSII are those of the top order, and what they give below is something else, also when
  every coalition is known.
"""

from __future__ import annotations

from importlib.metadata import version
from itertools import combinations
from math import comb

import numpy as np

SMALL, MIDDLE = 31, 64  # most players for regressions of order 3, and of order 2


# ---------------------------------------------------------------------- masks and features
def uniform(n, budget, seed):
    """Distinct uniform coalitions; a larger budget has those of a smaller one, and more."""
    rng = np.random.default_rng([seed, n])
    if n <= 20:
        return rng.permutation(2**n)[:budget, None] >> np.arange(n) & 1 == 1
    return rng.random((budget, n)) < 0.5  # repeats are out of reach


def sets_up_to(n, order):
    return [s for size in range(1, order + 1) for s in combinations(range(n), size)]


def characters(coalitions, order):
    """The matrix (m, sets) of (-1)^|S and x| for all non-empty S up to the order."""
    signs = 1.0 - 2.0 * coalitions
    n = signs.shape[1]
    columns = [signs]
    for size in range(2, order + 1):  # a set is its first players times its last one
        lasts = [s[-1] for s in combinations(range(n), size)]
        places = {s: k for k, s in enumerate(combinations(range(n), size - 1))}
        firsts = [places[s[:-1]] for s in combinations(range(n), size)]
        columns.append(columns[-1][:, firsts] * signs[:, lasts])
    return np.concatenate(columns, axis=1) if order > 1 else signs


# ---------------------------------------------------------------------- linear models
def linear(order, make):
    """A linear model of scikit-learn on characters."""

    def method(job, game):
        masks = uniform(job["n"], job["budget"], job["seed"])
        model = make().fit(characters(masks, order), game(masks))
        kept = zip(sets_up_to(job["n"], order), model.coef_.tolist(), strict=True)
        return {"fourier": {(): float(model.intercept_), **{s: f for s, f in kept if f != 0}}}

    return method


def ridge():
    from sklearn.linear_model import RidgeCV

    return RidgeCV(alphas=np.logspace(-3, 4, 40))


def lasso():
    from sklearn.linear_model import LassoCV

    return LassoCV()


def lime(job, game):
    from lime.lime_base import LimeBase
    from sklearn.metrics import pairwise_distances

    masks = uniform(job["n"], job["budget"], job["seed"])
    masks = np.concatenate([np.ones((1, job["n"]), dtype=bool), masks[~masks.all(axis=1)]])
    masks = masks[: job["budget"]].astype(float)
    distances = pairwise_distances(masks, masks[:1], metric="cosine").ravel() * 100
    base = LimeBase(lambda d: np.sqrt(np.exp(-(d**2) / 25**2)), random_state=job["seed"])
    intercept, weights, _, _ = base.explain_instance_with_data(
        masks, game(masks)[:, None], distances, 0, job["n"], feature_selection="none"
    )
    return {"moebius": {(): float(intercept), **{(int(i),): float(w) for i, w in weights}}}


# ---------------------------------------------------------------------- shapiq's surrogates
def proxyspex(job, game):
    from shapiq.approximator import ProxySPEX

    class Listening(ProxySPEX):
        def fourier_to_moebius(self, four_dict):
            self.heard = {tuple(map(int, s)): float(f) for s, f in four_dict.items()}
            return super().fourier_to_moebius(four_dict)

    method = Listening(n=job["n"], index="FBII", max_order=1, random_state=job["seed"])
    method.approximate(job["budget"], game)
    return {"fourier": method.heard}


def proxyshap(job, game):
    from shapiq.approximator import ProxySHAP

    method = ProxySHAP(n=job["n"], index="k-SII", max_order=2, random_state=job["seed"])
    baseline = method.approximate(job["budget"], game).baseline_value
    model = method.proxy_model

    def later(game):
        judged = np.unpackbits(job["judged"], axis=1, count=job["n"])
        predicted = model.predict(judged).astype(float) + baseline
        return {"predicted": predicted} | proxyshap_indices(job, game)

    return {"later": later}


def proxyshap_indices(job, game, **settings):
    def make(n, order, index, seed):
        from shapiq.approximator import ProxySHAP

        return ProxySHAP(n=n, max_order=order, index=index, random_state=seed, **settings)

    return estimator(make, "SV", "k-SII", "FBII", "FSII", "STII")(job, game)


def proxyshap_msr(job, game):
    return proxyshap_indices(job, game, adjustment=True)


# ---------------------------------------------------------------------- shapiq's estimators
def terms_of(found):
    return {tuple(map(int, s)): float(v) for s, v in found.interactions.items()}


def regression(name, index, order, **settings):
    """A regression of shapiq's, as a polynomial; of order 1 and 2 also as an index."""

    def method(job, game):
        from shapiq import approximator

        options = {key: make(job["n"]) for key, make in settings.items()}
        options |= {} if index == "SV" else {"max_order": order}
        kind = getattr(approximator, name)
        found = kind(n=job["n"], random_state=job["seed"], **options).approximate(
            job["budget"], game
        )
        terms = terms_of(found)
        if index not in job["indices"] or order != (1 if index == "SV" else 2):
            return {"moebius": terms}
        return {"moebius": terms, "values": {index: terms}}

    return method


def binomials(n):
    return np.array([comb(n, size) / 2**n for size in range(n + 1)])


def estimator(make, *indices):
    """An estimator of indices alone, each asked for by itself; what it refuses is said."""

    def method(job, game):
        values, refused = {}, {}
        for index in indices:
            if index in job["indices"]:
                try:
                    method = make(job["n"], 1 if index == "SV" else 2, index, job["seed"])
                    # permutation sampling asks for single rows
                    found = method.approximate(job["budget"], lambda x: game(np.atleast_2d(x)))
                    values[index] = terms_of(found)
                except Exception as error:  # a refusal is a result
                    refused[index] = str(error)
        if not values and refused:
            raise ValueError(next(iter(refused.values())))
        return {"values": values} | ({"refused_indices": refused} if refused else {})

    return method


def of_sv(name, **settings):
    def make(n, _order, _index, seed):
        from shapiq import approximator

        return getattr(approximator, name)(n=n, random_state=seed, **settings)

    return estimator(make, "SV")


def of_pairs(name, *indices):
    def make(n, order, index, seed):
        from shapiq import approximator

        kind = getattr(approximator, name)
        options = {"index": index} if len(indices) > 1 else {}
        return kind(n=n, max_order=order, random_state=seed, **options)

    return estimator(make, *indices)


METHODS = {
    "ridge": linear(1, ridge),
    "lasso-1": linear(1, lasso),
    "lasso-2": linear(2, lasso),
    "lasso-3": linear(3, lasso),
    "lime": lime,
    "banzhaf": regression("RegressionFBII", "FBII", 1, sampling_weights=binomials),
    "shap": regression("KernelSHAP", "SV", 1),
    "kernelshapiq-2": regression("KernelSHAPIQ", "k-SII", 2),
    "kernelshapiq-3": regression("KernelSHAPIQ", "k-SII", 3),
    "fbii-2": regression("RegressionFBII", "FBII", 2, sampling_weights=binomials),
    "fbii-3": regression("RegressionFBII", "FBII", 3, sampling_weights=binomials),
    "fsii-2": regression("RegressionFSII", "FSII", 2),
    "fsii-3": regression("RegressionFSII", "FSII", 3),
    "proxyspex": proxyspex,
    "proxyshap": proxyshap,
    # of indices alone
    "proxyshap-msr": proxyshap_msr,
    "inconsistent": of_pairs("InconsistentKernelSHAPIQ", "k-SII"),
    "leverageshap": of_sv("LeverageSHAP"),
    "oddshap": of_sv("OddSHAP"),
    "polyshap": of_sv("PolySHAP", max_order=2),
    "regressionmsr": of_sv("RegressionMSR", index="SV"),
    "svarmiq": of_pairs("SVARMIQ", "k-SII", "STII"),
    "shapiq": of_pairs("SHAPIQ", "k-SII", "STII"),
    "permutation-sii": of_pairs("PermutationSamplingSII", "k-SII"),
    "permutation-stii": of_pairs("PermutationSamplingSTII", "STII"),
}
JUDGED_BY_R2 = tuple(METHODS)[:15]
INDICES_ALONE = tuple(METHODS)[15:]
LARGEST = {  # most players
    "lasso-3": SMALL,
    "kernelshapiq-3": SMALL,
    "fbii-2": MIDDLE,
    "fsii-2": MIDDLE,
    "fbii-3": SMALL,
    "fsii-3": SMALL,
}


def warm():
    """Versions, after one run of each surrogate: what a process pays but once is not theirs."""
    import lime.lime_base
    import sklearn.linear_model
    import xgboost

    assert lime
    assert sklearn
    job = {"n": 6, "budget": 60, "seed": 0, "indices": (), "judged": np.zeros((1, 1), np.uint8)}
    for method in (proxyspex, proxyshap):
        method(job, lambda masks: masks[:, 0] + 1.0 * masks[:, 1] * masks[:, 2])
    names = ("shapiq", "lightgbm", "lime", "scikit-learn", "numpy")
    return {"xgboost": xgboost.__version__} | {name: version(name) for name in names}
