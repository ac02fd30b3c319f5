"""Models trained side by side against one trained after the other with torch.optim."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest

from shapiq_spex import TrainingGame

torch = pytest.importorskip("torch")
nn = torch.nn
functional = torch.nn.functional

N, CLASSES, IMAGE = 14, 3, (1, 6, 6)


def images(count, seed):
    rng = np.random.default_rng(seed)
    y = np.arange(count) % CLASSES
    X = rng.normal(size=(count, *IMAGE))
    X[np.arange(count), 0, y, y] += 2.0
    return X.astype(np.float32), y


def mlp():
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 5), nn.Tanh(), nn.Linear(5, CLASSES))


def cnn():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 4, 3, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(4, CLASSES),
    )


class ResNet(nn.Module):
    """A residual block with group normalisation."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, padding=1)
        self.norms = nn.ModuleList(nn.GroupNorm(2, 4) for _ in range(2))
        self.convolutions = nn.ModuleList(nn.Conv2d(4, 4, 3, padding=1) for _ in range(2))
        self.head = nn.Linear(4, CLASSES)

    def forward(self, x):
        x = self.first(x)
        h = self.convolutions[0](functional.relu(self.norms[0](x)))
        h = x + self.convolutions[1](functional.relu(self.norms[1](h)))
        return self.head(functional.adaptive_avg_pool2d(h, 1).flatten(1))


MODULES = {"mlp": mlp, "cnn": cnn, "resnet": ResNet}
OPTIMIZERS = {
    "sgd": {"lr": 0.05},
    "momentum": {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.01},
    "adam": {"optimizer": "adam", "lr": 0.01, "weight_decay": 0.01},
}


def game_of(make=mlp, **settings):
    settings = {"lr": 0.05, "epochs": 2, "batch_size": 4, "progress": False, **settings}
    return TrainingGame.from_torch(make, *images(N, 0), *images(5, 1), device="cpu", **settings)


def alone(make, members, seed, *, optimizer="sgd", epochs=2, batch_size=4, **rates):
    """One model trained on one set, batch by batch."""
    (X, y), (X_test, _) = images(N, 0), images(5, 1)
    torch.manual_seed(seed)
    module = make()
    kind = torch.optim.SGD if optimizer == "sgd" else torch.optim.Adam
    steps = kind(module.parameters(), **rates)
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        order = rng.permutation(N)
        for start in range(0, N, batch_size):
            rows = [i for i in order[start : start + batch_size] if members[i]]
            if rows:
                steps.zero_grad()
                outputs = module(torch.tensor(X[rows]))
                functional.cross_entropy(outputs, torch.tensor(y[rows])).backward()
                steps.step()
    with torch.no_grad():
        return module(torch.tensor(X_test)).double().numpy()


def measures_of(logits, y):
    rows = []
    for scores, label in zip(logits, y, strict=True):
        others = np.delete(scores, label)
        margin = scores[label] - others.max()
        loss = np.log(np.exp(scores - scores[label]).sum())
        rows.append([margin, loss, margin > 0])
    return np.array(rows).T


def some_sets(seed=3):
    sets = np.random.default_rng(seed).random((9, N)) < 0.4
    sets[0], sets[1], sets[2] = False, True, np.arange(N) == 5
    return sets


@pytest.mark.parametrize("rates", OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.parametrize("make", MODULES.values(), ids=MODULES)
def test_each_model_is_trained_as_if_it_were_alone(make, rates):
    sets, seeds = some_sets(), (0, 7)
    game = game_of(make, seeds=seeds, **rates)
    found = game.outputs(sets).reshape(len(sets), 3, 5)
    for row, members in zip(found, sets, strict=True):
        each = [measures_of(alone(make, members, seed, **rates), images(5, 1)[1]) for seed in seeds]
        right = np.mean(each, axis=0)
        np.testing.assert_allclose(row, right, rtol=0, atol=1e-5 * max(1, np.abs(right).max()))


@pytest.mark.parametrize("at_once", [1, 2, 5])
def test_how_many_are_trained_at_once_changes_nothing(at_once):
    sets = some_sets()
    few, many = game_of(cnn, at_once=at_once), game_of(cnn)
    np.testing.assert_allclose(few.outputs(sets), many.outputs(sets), rtol=0, atol=1e-5)


def test_seeds_are_averaged_and_decide_start_and_order():
    sets = some_sets()
    zero, one = (game_of(seeds=[seed]).outputs(sets) for seed in (0, 1))
    both = game_of(seeds=[0, 1]).outputs(sets)
    np.testing.assert_allclose(both, (zero + one) / 2, rtol=0, atol=1e-6)
    assert np.abs(zero - one).max() > 0.01


def test_a_module_is_the_start_of_every_seed_and_stays_as_it_is():
    torch.manual_seed(5)
    module = mlp()
    before = {name: each.clone() for name, each in module.state_dict().items()}
    games = [game_of(module, seeds=[seed]) for seed in (0, 1)]
    empty, full = np.zeros((1, N), dtype=bool), np.ones((1, N), dtype=bool)
    np.testing.assert_array_equal(games[0].outputs(empty), games[1].outputs(empty))
    assert not np.array_equal(games[0].outputs(full), games[1].outputs(full))
    assert all(torch.equal(each, before[name]) for name, each in module.state_dict().items())


def test_the_global_random_state_is_neither_used_nor_moved():
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = game_of().grand_coalition_value
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    assert game_of().grand_coalition_value == first


def test_frozen_weights_stay():
    module = mlp()
    module[1].requires_grad_(requires_grad=False)
    learner = game_of(module).learner
    from shapiq_spex.games.training.stacked import StackedModels

    assert set(StackedModels(learner.module, 2, None).weights) == {"3.weight", "3.bias"}


def test_equal_examples_have_equal_values_in_full_batches():
    X, y = images(N, 0)
    X[9], y[9] = X[3], y[3]
    game = TrainingGame.from_torch(
        mlp, X, y, *images(5, 1), lr=0.1, epochs=10, batch_size=N, progress=False, device="cpu"
    )
    one, other = (np.random.default_rng(0).random((6, N)) < 0.5 for _ in range(2))
    one[:, [3, 9]], other[:, [3, 9]] = [True, False], [False, True]
    np.testing.assert_allclose(game(one), game(other), rtol=0, atol=1e-5)


def test_regression_reads_predictions_and_squared_errors():
    X, y = images(N, 0)
    targets = X[:, 0, 0, 0] + y
    make = lambda: nn.Sequential(nn.Flatten(), nn.Linear(36, 1))  # noqa: E731
    X_test, y_test = images(5, 1)
    game = TrainingGame.from_torch(
        make, X, targets, X_test, y_test.astype(float), epochs=20, progress=False, device="cpu"
    )
    outputs = game.outputs(game.grand_coalition[None]).reshape(2, 5)
    np.testing.assert_allclose(outputs[1], (outputs[0] - y_test) ** 2)
    assert game.read_as(value="squared_error").grand_coalition_value == outputs[1].mean()
    assert game.empty_coalition_value != game.grand_coalition_value


def test_an_absent_example_cannot_spoil_a_model():
    X, y = images(N, 0)
    X[4] = np.nan
    game = TrainingGame.from_torch(mlp, X, y, *images(5, 1), progress=False, device="cpu")
    sets = some_sets()
    sets[:, 4] = False
    assert np.isfinite(game(sets)).all()
    sets[1] = True
    with pytest.raises(ValueError, match="for 1 of 9 coalitions.*or how it is trained"):
        game(sets)


def test_it_goes_to_another_process_and_back():
    game = game_of(cnn, seeds=[0, 3])
    sent = pickle.loads(pickle.dumps(game))
    assert sent.identity == game.identity
    np.testing.assert_array_equal(sent(some_sets()), game(some_sets()))


def test_the_identity_tells_games_apart():
    settings = [
        {},
        {"seeds": [1]},
        {"lr": 0.06},
        {"epochs": 3},
        {"batch_size": 5},
        {"make": cnn},
        {"optimizer": "adam"},
        {"players": [0] * 7 + [1] * 7},
    ]
    assert len({str(game_of(**each).identity) for each in settings}) == len(settings)
    assert game_of(at_once=2).identity == game_of().identity
    assert game_of(value="loss", points=2).identity == game_of().identity


class Twice(nn.Module):
    """The same layer run twice."""

    def __init__(self):
        super().__init__()
        self.line, self.head = nn.Linear(36, 36), nn.Linear(36, CLASSES)

    def forward(self, x):
        return self.head(self.line(functional.relu(self.line(x.flatten(1)))))


class Tied(nn.Module):
    """Two layers that share their weights and not their biases."""

    def __init__(self):
        super().__init__()
        self.line, self.other, self.head = nn.Linear(36, 36), nn.Linear(36, 36), mlp()
        self.other.weight = self.line.weight

    def forward(self, x):
        return self.head(self.other(functional.relu(self.line(x.flatten(1)))))


def at_two_places():
    line = nn.Linear(36, 36)
    return nn.Sequential(nn.Flatten(), line, nn.ReLU(), line, nn.Linear(36, CLASSES))


@pytest.mark.parametrize("at_once", [1, 2, None])
def test_a_layer_at_two_places_is_one_layer(at_once):
    sets = some_sets()
    game = game_of(at_two_places, at_once=at_once)
    before = game.identity
    found = game.outputs(sets)
    np.testing.assert_allclose(found, game_of(Twice).outputs(sets), rtol=0, atol=1e-5)
    again = game_of(at_two_places, at_once=at_once).outputs(sets[::-1])[::-1]
    np.testing.assert_allclose(found, again, rtol=0, atol=1e-5)
    assert game.identity == before


@pytest.mark.parametrize("at_once", [1, None])
def test_weights_of_two_layers_are_moved_together(at_once):
    found = game_of(Tied, at_once=at_once).outputs(some_sets()).reshape(-1, 3, 5)
    for row, members in zip(found, some_sets(), strict=True):
        right = measures_of(alone(Tied, members, 0, lr=0.05), images(5, 1)[1])
        np.testing.assert_allclose(row, right, rtol=0, atol=1e-5 * max(1, np.abs(right).max()))


class Wandering(nn.Module):
    """Its path depends on its inputs, which vmap cannot follow."""

    def __init__(self):
        super().__init__()
        self.line = nn.Linear(36, CLASSES)

    def forward(self, x):
        y = self.line(x.flatten(1))
        return y if y.sum().item() > 0 else y * 1.0


class Recurrent(nn.Module):
    """Reads the rows of an image in turn."""

    def __init__(self, layer=nn.LSTM):
        super().__init__()
        self.layer, self.head = layer(6, 5, batch_first=True), nn.Linear(5, CLASSES)

    def forward(self, x):
        return self.head(self.layer(x[:, 0])[0][:, -1])


ONE_BY_ONE = {
    "path": Wandering,
    "lstm": Recurrent,
    "gru": lambda: Recurrent(nn.GRU),
    "rnn": lambda: Recurrent(nn.RNN),
}


@pytest.mark.parametrize("make", ONE_BY_ONE.values(), ids=ONE_BY_ONE)
def test_a_module_that_vmap_cannot_train_is_trained_alone(make, monkeypatch):
    sets, game = some_sets(), game_of(make)
    found = game.outputs(sets).reshape(-1, 3, 5)
    for row, members in zip(found, sets, strict=True):
        right = measures_of(alone(make, members, 0, lr=0.05), images(5, 1)[1])
        np.testing.assert_allclose(row, right, rtol=0, atol=1e-5 * max(1, np.abs(right).max()))
    monkeypatch.setattr(torch.func, "vmap", None)  # not tried again
    np.testing.assert_array_equal(game.outputs(~sets)[0], found[1].ravel())


def spectral():
    norm = nn.utils.parametrizations.spectral_norm
    return nn.Sequential(nn.Flatten(), norm(nn.Linear(36, 5)), nn.Tanh(), nn.Linear(5, CLASSES))


def test_what_a_forward_pass_moves_starts_anew_for_every_set():
    sets = some_sets()
    game = game_of(spectral, batch_size=5)
    before = game.identity
    found = game.outputs(sets)
    assert game.identity == before
    again = game_of(spectral, batch_size=5, at_once=1).outputs(sets[::-1])[::-1]
    np.testing.assert_array_equal(found, again)
    for row, members in zip(found.reshape(-1, 3, 5), sets, strict=True):
        scores = alone(spectral, members, 0, lr=0.05, batch_size=5)
        right = measures_of(scores, images(5, 1)[1])
        np.testing.assert_allclose(row, right, rtol=0, atol=1e-5 * max(1, np.abs(right).max()))


class Changed(nn.Module):
    """Hidden units to which a function is applied."""

    def __init__(self, change):
        super().__init__()
        self.line, self.head, self.change = nn.Linear(36, 8), nn.Linear(8, CLASSES), change

    def forward(self, x):
        return self.head(self.change(self.line(x.flatten(1)), self.training))


CHANCE = {
    "dropout": lambda h, training: functional.dropout(h, 0.5, training),
    "rare": lambda h, training: functional.dropout(h, 1e-4, training),
    "noise": lambda h, _training: h + torch.randn(h.shape[1:]),
    "of all": lambda h, _training: h * (torch.rand([]) > 0.01),
    "numpy": lambda h, _training: h + float(np.random.rand()),  # noqa: NPY002
}
MIXING = {
    "centred": lambda h, _training: h - h.mean(0),
    "scaled": lambda h, _training: h / (h.std(0, unbiased=False) + 0.1),
    "functional": lambda h, _training: functional.batch_norm(h, None, None, training=True),
}


@pytest.mark.parametrize("change", CHANCE.values(), ids=CHANCE)
def test_chance_that_no_layer_tells_of_is_refused(change):
    state = torch.get_rng_state()
    with pytest.raises(ValueError, match="cannot train Changed: dropped units would make values"):
        game_of(lambda: Changed(change))
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("change", MIXING.values(), ids=MIXING)
def test_statistics_of_a_batch_that_no_layer_tells_of_are_refused(change):
    with pytest.raises(ValueError, match="cannot train Changed: its statistics would mix"):
        game_of(lambda: Changed(change))


def test_chance_that_comes_late_is_refused_where_vmap_sees_it():
    change = lambda h, _training: functional.dropout(h, 0.5) if len(h) == 2 else h  # noqa: E731
    with pytest.raises(ValueError, match="cannot train Changed: dropped units would make values"):
        game_of(lambda: Changed(change), batch_size=2)(some_sets())


@pytest.mark.parametrize(
    "change",
    [
        lambda h, training: functional.dropout(h, 0.0, training),
        lambda h, _training: (h - h.mean(1, keepdim=True)) / h.std(1)[:, None],
    ],
)
def test_no_chance_and_each_example_by_itself_is_trained(change):
    one, again = (game_of(lambda: Changed(change))(some_sets()) for _ in range(2))
    np.testing.assert_array_equal(one, again)
    assert np.ptp(one) > 0


BAD = {
    "BatchNorm2d .1. its statistics .* torch.nn.GroupNorm": {
        "make": lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    },
    "Dropout .0.: dropped units .* probability to 0": {
        "make": lambda: nn.Sequential(nn.Dropout(0.1), mlp())
    },
    "optimizer among sgd, adam, got 'lbfgs'": {"optimizer": "lbfgs"},
    "a positive lr, .* got 0, ": {"lr": 0},
    "epochs to be a positive whole number, got 0": {"epochs": 0},
    "batch_size to be a positive whole number, got 2.5": {"batch_size": 2.5},
    "at_once to be a positive whole number, got -1": {"at_once": -1},
    "at_once to be a positive whole number, got 0": {"at_once": 0},
    "not negative, got .*, -1 and ": {"momentum": -1},
    "seeds that are distinct whole numbers": {"seeds": [1, 1]},
    "seeds that are distinct whole numbers, .* got ": {"seeds": []},
    r"outputs of shape \(b, classes\) .* gives the shape \(2, 1\)": {
        "make": lambda: nn.Sequential(nn.Flatten(), nn.Linear(36, 1))
    },
}


@pytest.mark.parametrize("sentence", BAD)
def test_what_cannot_be_trained_is_refused_in_a_sentence(sentence):
    with pytest.raises(ValueError, match=sentence.replace(" .1. ", r" \(1\): ")):
        game_of(**BAD[sentence])


@pytest.mark.parametrize("module", [3, nn.Flatten(), dict])
def test_what_is_no_module_is_refused_in_a_sentence(module):
    with pytest.raises(TypeError, match="a torch module with weights to train, or a function"):
        game_of(module)


def test_labels_beyond_the_outputs_are_refused_in_a_sentence():
    X, y = images(N, 0)
    with pytest.raises(ValueError, match=r"labels among the classes \[0, 1, 2\], got 7"):
        TrainingGame.from_torch(mlp, X, np.where(y == 2, 7, y), *images(5, 1))


def test_nothing_warns():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        game_of(cnn)(some_sets())
