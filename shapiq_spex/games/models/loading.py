"""Loading models of the transformers library, or saying in one sentence why not."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shapiq_spex.games.models.local import LocalModel, text_config

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["is_classifier", "load_model", "token_limit"]

_INSTALL = 'pip install "shapiq-spex[text]"'
_LONGEST_SANE_LIMIT = 10**9  # tokenizers without a limit say 10^30


def load_model(
    model: Any,
    tokenizer: Any = None,
    *,
    auto_class: str,
    device: Any = None,
    as_saved: bool = False,
) -> LocalModel:
    """Load a model by name, or take one that is loaded.

    Args:
        model: A name on the hub, a local folder, or a transformers model. A model loaded here
            computes in float32; a given one is left as it is but for ``device`` and ``eval()``.
        tokenizer: Its tokenizer or the name of it; needed with a model object only.
        auto_class: The class of transformers that loads it, e.g. "AutoModel".
        device: Where to run, e.g. "cuda:0". By default a given model stays where it is, and a
            loaded one goes to the graphics card if there is one.
        as_saved: Whether a model loaded here keeps, on a graphics card, the precision it is saved
            in.

    Returns:
        The model, ready to run.

    Raises:
        ImportError: If torch or transformers is missing.
        TypeError: If the model is neither a name nor a folder nor a transformers model.
        ValueError: If the model or its tokenizer cannot be had, if the model's head was never
            trained, if a model spread over devices is to move, or if the tokenizer cannot tell
            where in the text its tokens are.
    """
    torch, transformers = _libraries()
    name = str(model) if isinstance(model, (str, Path)) else None
    if isinstance(model, (str, Path)):
        tokenizer = model if tokenizer is None else tokenizer
        model = _from_pretrained(getattr(transformers, auto_class), model)
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        model = model if as_saved and str(device) != "cpu" else model.float()
    elif not hasattr(model, "config"):
        msg = (
            f"A model must be a name, a folder or a model of transformers, but a "
            f"{type(model).__name__} was given."
        )
        raise TypeError(msg)
    if device is not None:
        _refuse_spread(model, device)
        model = model.to(device)
    tokenizer = _loaded_tokenizer(transformers, tokenizer, model)
    return LocalModel(model, tokenizer, token_limit(model, tokenizer), name)


def _refuse_spread(model: Any, device: Any) -> None:
    if places := getattr(model, "hf_device_map", None):
        over = ", ".join(sorted({str(place) for place in places.values()}))
        msg = (
            f"A model that device_map spread over {over} stays there; leave device="
            f"{str(device)!r} out."
        )
        raise ValueError(msg)


def is_classifier(name: str) -> bool:
    """Whether the saved model of this name has the head of a sequence classifier.

    Raises:
        ImportError: If torch or transformers is missing.
        ValueError: If nothing can be loaded under this name.
    """
    config = _from_pretrained_config(_libraries()[1].AutoConfig, name)
    return any("ForSequenceClassification" in each for each in config.architectures or ())


def token_limit(model: Any, tokenizer: Any) -> int | None:
    """Return the longest sequence the model reads, None if neither it nor the tokenizer says."""
    limits = [
        getattr(tokenizer, "model_max_length", None),
        getattr(text_config(model), "max_position_embeddings", None),
        *_position_rows(model),
    ]
    sane = [int(limit) for limit in limits if limit and 0 < limit < _LONGEST_SANE_LIMIT]
    return min(sane, default=None)


def _position_rows(model: Any) -> Iterator[int]:
    """RoBERTa and its kin number positions from padding_idx + 1, so some rows are not for us."""
    for name, module in model.named_modules():
        padding = getattr(module, "padding_idx", None)
        if name.endswith("position_embeddings") and padding is not None:
            yield module.num_embeddings - padding - 1


def _libraries() -> tuple[Any, Any]:
    try:
        import torch
        import transformers
    except ImportError as error:
        msg = f"Games on language models need torch and transformers: {_INSTALL}"
        raise ImportError(msg) from error
    return torch, transformers


def _from_pretrained(auto_class: Any, name: str | Path) -> Any:
    with _named_failure(auto_class, name), _no_loading_bar():
        model, report = auto_class.from_pretrained(name, output_loading_info=True)
    _refuse_untrained_head(model, report["missing_keys"], name)
    return model


def _from_pretrained_config(auto_config: Any, name: str) -> Any:
    with _named_failure(auto_config, name):
        return auto_config.from_pretrained(name)


@contextmanager
def _no_loading_bar() -> Iterator[None]:
    """The only bar a game shows counts evaluations."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


@contextmanager
def _named_failure(auto_class: Any, name: str | Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        msg = (
            f"The model {str(name)!r} could not be loaded; give the name of a model on the Hugging "
            f"Face hub that {auto_class.__name__} can load, or the folder of a saved one."
        )
        raise ValueError(msg) from error


def _refuse_untrained_head(model: Any, missing: Sequence[str], name: str | Path) -> None:
    """A bare AutoModel is all body: its weights carry no prefix, and it has no head."""
    body = f"{model.base_model_prefix}."
    head = [key for key in missing if model.base_model is not model and not key.startswith(body)]
    if head:
        msg = (
            f"The model {str(name)!r} was never trained for this task: its folder holds no weights "
            f"for {', '.join(sorted(head))}, so its answers would be random; give a fine-tuned one."
        )
        raise ValueError(msg)


def _loaded_tokenizer(transformers: Any, tokenizer: Any, model: Any) -> Any:
    if tokenizer is None:
        msg = (
            f"A model object ({type(model).__name__}) comes without its tokenizer; "
            f"give it as tokenizer=, by name or as an object."
        )
        raise ValueError(msg)
    if isinstance(tokenizer, (str, Path)):
        tokenizer = _tokenizer_from(transformers, tokenizer)
    if not getattr(tokenizer, "is_fast", False):
        msg = (
            f"The tokenizer {type(tokenizer).__name__} cannot tell where in the text its tokens "
            f"are; give a fast one, e.g. from AutoTokenizer.from_pretrained(..., use_fast=True)."
        )
        raise ValueError(msg)
    return tokenizer


def _tokenizer_from(transformers: Any, name: str | Path) -> Any:
    try:
        return transformers.AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError) as error:
        msg = f"No tokenizer could be loaded from {str(name)!r}; give one as tokenizer=."
        raise ValueError(msg) from error
