"""The command line: ``shapiq-spex explain "a sentence"``, ``shapiq-spex validate FILE``."""

from __future__ import annotations

import argparse
import json
import math
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shapiq_spex.evaluation import Evaluator, Store
from shapiq_spex.explain import METHODS, explain
from shapiq_spex.games import TextGame
from shapiq_spex.games.models.loading import is_classifier
from shapiq_spex.rebuild import rebuild
from shapiq_spex.spectral import INDICES
from shapiq_spex.validation import validate
from shapiq_spex.versions import loaded_versions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shapiq_spex.result import Recovery

DEFAULT_MODEL = "minilm"
DEFAULT_LABELS = ("positive review", "negative review")
PLOT_FORMATS = (".png", ".svg", ".pdf")
ABSENT = {
    "mask": "replaced by the mask token",
    "delete": "deleted",
    "neutral": "replaced by a neutral text",
    "filler": "replaced by filler of the same length",
    "attention": "hidden from attention",
}
GAME = ("text", "model", "labels", "players", "removal")  # what decides the values
READABLE_NETWORK = 40  # players; a network plot of more is a black disc


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status.

    Args:
        arguments: The words after ``shapiq-spex``; those of the process if left out.
    """
    options = _parser().parse_args(arguments)
    try:
        {"explain": _explain, "validate": _validate}[options.command](options)
    except (ValueError, TypeError, ImportError, OSError) as error:
        print(f"shapiq-spex: {error}", *getattr(error, "__notes__", ()), sep="\n", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("shapiq-spex: interrupted", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="shapiq-spex", description="Which words of a text act together in a language model?"
    )
    parser.add_argument("--version", action="version", version=version("shapiq-spex"))
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("explain", help="explain one text")
    _add_explain(one.add_argument)
    check = commands.add_parser("validate", help="put the result of an explain --store to the test")
    add = check.add_argument
    add("store", type=Path, metavar="FILE", help="what explain --store has written")
    add("--budget", type=_whole, default=300, help="new coalitions to evaluate at most")
    add("--top", type=_positive, default=5, help="interactions to test by ablations of their own")
    add("--seed", type=_whole, default=0)
    add("--plot", type=Path, metavar="FILE", help="draw the checks into FILE (png, svg, pdf)")
    add("--quiet", action="store_true", help="no progress bar")
    return parser


def _add_explain(add: Callable[..., Any]) -> None:
    add("text", help="the text")
    add("--model", default=DEFAULT_MODEL, help="hub name or folder of a classifier or encoder")
    add(
        "--labels",
        nargs="+",
        metavar="LABEL",
        help="encoder: two texts, for and against; classifier: one class",
    )
    add("--players", default="words", help="words, tokens, sentences or paragraphs")
    add("--removal", default="mask", help="mask, delete, neutral, filler or attention")
    add("--approximator", default="proxyspex", choices=sorted(METHODS))
    add("--budget", type=int, help="coalitions to evaluate (default: 2 n log2 n, at least 256)")
    add(
        "--tolerance",
        type=float,
        help="stop before the budget is spent, once twice as many coalitions gain at most this "
        "much R², between 0 and 1 (not with spex; auto is proxyspex then)",
    )
    add("--index", default="k-SII", choices=INDICES, metavar="INDEX", help=", ".join(INDICES))
    add("--max-order", type=int, default=2, help="largest interaction")
    add("--seed", type=_whole, default=0)
    add("--top", type=_positive, default=15, help="rows of the table")
    add("--plot", type=Path, metavar="FILE", help="draw the interactions into FILE (png, svg, pdf)")
    add("--json", type=Path, metavar="FILE", help="write everything into FILE")
    add("--store", type=Path, metavar="FILE", help="keep every value in FILE, and use those there")
    add("--dry-run", action="store_true", help="say what it would cost, judged by a few masks")
    add("--price", type=float, help="dollars per million tokens, for --dry-run")
    add("--ledger", action="store_true", help="say what it cost, and how to make it again")
    add("--quiet", action="store_true", help="no progress bar")


def _whole(text: str, least: int = 0) -> int:
    if (number := int(text)) < least:
        msg = f"needs to be at least {least}, got {number}"
        raise argparse.ArgumentTypeError(msg)
    return number


def _positive(text: str) -> int:
    return _whole(text, 1)


def _explain(options: argparse.Namespace) -> None:
    _check_outputs(options)
    game = _game(options)
    n = game.n_players
    budget = default_budget(n) if options.budget is None else options.budget
    with Evaluator(game, store=options.store, progress=not options.quiet) as evaluator:
        if options.dry_run:
            print(evaluator.estimate(budget, price=options.price))
            return
        if evaluator.store is not None:
            evaluator.store.write_meta(_arguments(options))
        result = explain(
            evaluator,
            budget,
            method=options.approximator,
            index=options.index,
            max_order=options.max_order,
            random_state=options.seed,
            tolerance=options.tolerance,
        )
        stored = evaluator.n_from_store
    print(_report(options, game, result, stored))
    if options.ledger:
        print("", result.ledger, sep="\n")
    if options.json:
        record = json.dumps(_record(options, game, result), ensure_ascii=False)
        options.json.write_text(record + "\n", encoding="utf-8")
    if options.plot:
        _draw(options.plot, game, result)


def _arguments(options: argparse.Namespace) -> dict[str, Any]:
    """What is left in a store, so that the game and the result can be made again from it."""
    return {name: getattr(options, name) for name in GAME}


def _validate(options: argparse.Namespace) -> None:
    _check_plot(options)
    with Store(options.store) as store:
        told, broke_off = store.meta, not store.runs
    if missing := [name for name in GAME if name not in told]:
        msg = (
            f"the store {str(options.store)!r} does not say from which {', '.join(missing)} it was "
            "made; one that explain --store has written does. In Python give validate the game."
        )
        raise ValueError(msg)
    if broke_off:
        msg = (
            f"the store {str(options.store)!r} holds no result, because the run broke off; run "
            "explain --store again with it, which pays for what is missing only."
        )
        raise ValueError(msg)
    result = rebuild(options.store)
    game = _game(argparse.Namespace(**told, quiet=options.quiet))
    with Evaluator(game, store=options.store, progress=not options.quiet) as evaluator:
        checked = validate(
            result, evaluator, budget=options.budget, top=options.top, random_state=options.seed
        )
    print(result.ledger, "", checked, sep="\n")
    for row in checked.spots.itertuples():
        word = "confirmed" if row.confirmed else "not confirmed"
        print(f"  {row.label}: {row.said:+.3f} said, {row.found:+.3f} found, {word}")
    if options.plot:
        import matplotlib as mpl

        mpl.use("Agg")
        checked.plot().savefig(options.plot, dpi=150)


def _check_outputs(options: argparse.Namespace) -> None:
    """Refuse what could not be written before anything is paid."""
    outputs = (("--json", options.json), ("--plot", options.plot), ("--store", options.store))
    for name, path in outputs:
        if path and (path.is_dir() or not path.resolve().parent.is_dir()):
            msg = f"{name} needs a file in a folder that exists, got {str(path)!r}."
            raise ValueError(msg)
    _check_plot(options)


def _check_plot(options: argparse.Namespace) -> None:
    if options.plot and not options.plot.resolve().parent.is_dir():
        msg = f"--plot needs a file in a folder that exists, got {str(options.plot)!r}."
        raise ValueError(msg)
    if options.plot and options.plot.suffix.lower() not in PLOT_FORMATS:
        msg = f"--plot needs a name ending in {', '.join(PLOT_FORMATS)}, got {str(options.plot)!r}."
        raise ValueError(msg)


def default_budget(n: int) -> int:
    """Every coalition where that takes no more than 256, else 2 n log2 n of them.

    Example:
        >>> default_budget(6), default_budget(9), default_budget(60)
        (64, 256, 709)
    """
    return min(2 ** min(n, 62), max(256, round(2 * n * math.log2(n))) if n > 1 else 2)


def _game(options: argparse.Namespace) -> TextGame:
    parts: dict[str, Any] = {
        "players": options.players,
        "removal": options.removal,
        "progress": not options.quiet,
    }
    if options.model != DEFAULT_MODEL and is_classifier(options.model):
        if options.labels and len(options.labels) > 1:
            msg = f"a classifier needs one label, got {len(options.labels)}: {options.labels}."
            raise ValueError(msg)
        options.labels = options.labels or None
        label = options.labels[0] if options.labels else None
        return TextGame.from_classifier(options.text, options.model, label=label, **parts)
    options.labels = tuple(options.labels or DEFAULT_LABELS)
    return TextGame.from_encoder(options.text, model=options.model, labels=options.labels, **parts)


def _report(options: argparse.Namespace, game: TextGame, result: Recovery, stored: int) -> str:
    found = result.interactions()
    evaluated = f"{result.n_evaluations} coalitions evaluated"
    if stored:
        evaluated += f" ({stored} of them in an earlier run)"
    r2 = "unknown" if result.r2 is None else f"{result.r2:.3f} ({result.r2_kind})"
    lines = [
        f"{options.model}: {_score(options)}",
        f"players: {game.n_players} {options.players}, absent ones " + ABSENT[options.removal],
        f"v(empty) = {game.empty_coalition_value:+.3f}   v(N) = {game.grand_coalition_value:+.3f}",
        f"{evaluated}, R² {r2}, seed {options.seed}",
    ]
    if result.reason:
        lines.append(f"reason: {result.reason}")
    if result.status != "ok":
        lines.append(f"note: {result.status}")
    rows = result.to_frame().head(options.top)
    names = rows["label"].tolist()
    width = max([len(name) for name in names], default=0)
    lines += ["", f"{found.index} of order {found.max_order}, strongest first"]
    lines += [
        f"  {name:<{width}}  {value:+8.3f}"
        for name, value in zip(names, rows["value"], strict=True)
    ]
    return "\n".join(lines)


def _score(options: argparse.Namespace) -> str:
    if isinstance(options.labels, tuple):
        return "100 (cos to {!r} - cos to {!r}), in points".format(*options.labels)
    return f"log-odds of {options.labels[0] if options.labels else 'the second class'}"


def _record(options: argparse.Namespace, game: TextGame, result: Recovery) -> dict[str, Any]:
    """Everything that was asked, paid and found; ``series`` is read by FourierSeries.from_json."""
    found = result.interactions()
    return {
        "text": options.text,
        "players": [[player.name, player.start, player.end] for player in game.players],
        "model": options.model,
        "labels": options.labels,
        "removal": options.removal,
        "v_empty": game.empty_coalition_value,
        "v_full": game.grand_coalition_value,
        "index": found.index,
        "max_order": found.max_order,
        "interactions": [[row.interaction, row.value] for row in result.to_frame().itertuples()],
        "n_evaluations": result.n_evaluations,
        "r2": result.r2,
        "r2_kind": result.r2_kind,
        "status": result.status,
        "ledger": None if result.ledger is None else result.ledger.as_record(),
        "approximator": options.approximator,
        "seed": options.seed,
        "versions": loaded_versions(),
        "series": json.loads(result.series.to_json()),
    }


def _draw(path: Path, game: TextGame, result: Recovery) -> None:
    """Shapiq's network plot, or its upset plot where a network would be unreadable."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt
    from shapiq.plot import network_plot, upset_plot

    # Between dollar signs matplotlib would see mathematics.
    names = [player.name.replace("$", r"\$") for player in game.players]
    found = result.interactions()
    if 1 < game.n_players <= READABLE_NETWORK and found.max_order > 1:
        figure = network_plot(found, feature_names=names, show=False)
        figure = figure[0] if isinstance(figure, tuple) else figure
    else:
        figure = upset_plot(found, feature_names=names, n_interactions=20, show=False)
    figure = figure or plt.gcf()
    figure.savefig(path, bbox_inches="tight", dpi=150)
    plt.close(figure)
