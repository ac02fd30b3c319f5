"""What a game is about: a text, a list of documents or a chat, and which parts of it may go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shapiq_spex.games.prompts.spans import find_once, strip

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from shapiq_spex.games.prompts.spans import Span

__all__ = ["Part", "Prompt"]

# A plane of private characters, which neither a template nor a message contains.
_END, _FIRST_BEGIN = chr(0xF0000), 0xF0001


@dataclass(frozen=True)
class Part:
    """A stretch of a prompt that may go, in whole or in pieces.

    Attributes:
        name: Its name, as "document 2" or "user".
        start: The first of its characters.
        end: One past the last.
    """

    name: str
    start: int
    end: int

    @property
    def span(self) -> Span:
        """Start and end."""
        return self.start, self.end


@dataclass(frozen=True)
class Prompt:
    """A text, and the parts of it that may go; everything else stays in every coalition.

    Args:
        text: The text as the tokenizer gets it.
        parts: What may go, in order; by default all of the text.
        rendered: Whether special tokens are written out in the text, as a chat template writes
            them, so that the tokenizer must add none.
        whole: Whether the parts are the natural players (documents, messages) rather than words.

    Raises:
        TypeError: If the text is not a string.
        ValueError: If the text is empty.

    Examples:
        >>> prompt = Prompt("Is this praise? Never dull!").keep("Is this praise?")
        >>> [prompt.text[part.start : part.end] for part in prompt.parts]
        ['Never dull!']
    """

    text: str
    parts: tuple[Part, ...] = ()
    rendered: bool = field(default=False, kw_only=True)
    whole: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        """Check the text, and let all of it go if no parts are given."""
        if not isinstance(self.text, str):
            kind = type(self.text).__name__
            msg = f"A prompt needs its text as a string, but was given a {kind}."
            raise TypeError(msg)
        if not self.text.strip():
            msg = f"A prompt needs a text with at least one word, but was given {self.text!r}."
            raise ValueError(msg)
        if not self.parts:
            object.__setattr__(self, "parts", (Part("text", *strip(self.text, 0, len(self.text))),))

    @classmethod
    def from_documents(
        cls,
        documents: Sequence[str] | Mapping[str, str],
        *,
        before: str = "",
        after: str = "",
        separator: str = "\n\n",
    ) -> Prompt:
        r"""Return the prompt in which documents may go, as of a model that answers from passages.

        Args:
            documents: The texts of the documents, or the texts by name.
            before: What stands before the first one and stays, such as the instruction.
            after: What stands after the last one and stays, such as the question.
            separator: What stands between two documents.

        Raises:
            TypeError: If a document is not a string.
            ValueError: If there is none, or if one is empty.

        Examples:
            >>> prompt = Prompt.from_documents(
            ...     ["Rome is old.", "Oslo is cold."], after="\n\nQuestion: which is cold?"
            ... )
            >>> print(prompt.text)
            Rome is old.
            <BLANKLINE>
            Oslo is cold.
            <BLANKLINE>
            Question: which is cold?
            >>> [part.name for part in prompt.parts]
            ['document 1', 'document 2']
        """
        if isinstance(documents, str):
            msg = "Documents must be a list of texts, or texts by name, but one string was given."
            raise TypeError(msg)
        if not isinstance(documents, Mapping):
            documents = {f"document {i}": text for i, text in enumerate(documents, start=1)}
        text, parts = before, list[Part]()
        for name, document in documents.items():
            _refuse_empty(name, document)
            text += separator if parts else ""
            start, end = strip(document, 0, len(document))
            parts.append(Part(str(name), len(text) + start, len(text) + end))
            text += document
        if not parts:
            msg = "A prompt of documents needs at least one document, but none was given."
            raise ValueError(msg)
        return cls(text + after, tuple(parts), whole=True)

    @classmethod
    def from_chat(
        cls,
        messages: Sequence[Mapping[str, str]],
        tokenizer: Any,
        *,
        fixed: str | int | Collection[str | int] = ("system",),
        **template: Any,
    ) -> Prompt:
        """Return the prompt a chat template makes of messages, whose contents may go.

        The template is rendered once; what it adds around the contents always stays.

        Args:
            messages: Dictionaries with "role" and "content", the content a string.
            tokenizer: The tokenizer of the model, with its chat template.
            fixed: The messages that stay, by role or by number (counted from 0): one or several.
            template: Further arguments of ``tokenizer.apply_chat_template``. By default it adds
                the beginning of the model's answer (``add_generation_prompt=True``).

        Raises:
            TypeError: If a content is not a string.
            ValueError: If the tokenizer has no chat template, if the template does not show every
                message unchanged and in order, if a fixed message is not there, or if every message
                is fixed.

        Examples:
            >>> from shapiq_spex.games import Prompt
            >>> class Tokenizer:
            ...     chat_template = "..."
            ...
            ...     def apply_chat_template(self, messages, **_):
            ...         return "".join(f"<{m['role']}>{m['content']}" for m in messages) + "<model>"
            >>> chat = [
            ...     {"role": "system", "content": "Be brief."},
            ...     {"role": "user", "content": "Why is the sky blue?"},
            ... ]
            >>> prompt = Prompt.from_chat(chat, Tokenizer())
            >>> prompt.text
            '<system>Be brief.<user>Why is the sky blue?<model>'
            >>> [(part.name, prompt.text[part.start : part.end]) for part in prompt.parts]
            [('user', 'Why is the sky blue?')]
        """
        for number, message in enumerate(messages):
            _refuse_empty(f"message {number}", message.get("content"))
        fixed = (fixed,) if isinstance(fixed, str | int) else fixed
        _refuse_unknown(fixed, [message["role"] for message in messages])
        text, spans = _render(messages, tokenizer, {"add_generation_prompt": True, **template})
        parts = tuple(
            Part(message["role"], *span)
            for number, (message, span) in enumerate(zip(messages, spans, strict=True))
            if number not in fixed and message["role"] not in fixed
        )
        if not parts:
            msg = f"No message of the chat may go: fixed={fixed!r} keeps all {len(messages)}."
            raise ValueError(msg)
        return cls(text, parts, rendered=True, whole=True)

    def keep(self, *pieces: str | Span) -> Prompt:
        """Return the same prompt with pieces of its text that always stay.

        Args:
            pieces: Texts that occur in the prompt once, or their characters (start, end).

        Raises:
            ValueError: If a piece is not found once, lies outside the prompt or ends before it
                begins, or if nothing is left that may go.
        """
        parts = list(self.parts)
        for piece in pieces:
            kept = find_once(self.text, piece) if isinstance(piece, str) else piece
            if not 0 <= kept[0] <= kept[1] <= len(self.text):
                msg = f"keep needs (start, end) within 0 to {len(self.text)}, got {piece!r}."
                raise ValueError(msg)
            parts = [left for part in parts for left in _without(self.text, part, kept)]
        if not parts:
            msg = "Nothing of the prompt is left that may go: all of it was asked to stay."
            raise ValueError(msg)
        return Prompt(self.text, tuple(parts), rendered=self.rendered, whole=self.whole)


def _without(text: str, part: Part, kept: Span) -> Iterator[Part]:
    if kept[1] <= part.start or part.end <= kept[0]:
        yield part
        return
    for start, end in ((part.start, kept[0]), (kept[1], part.end)):
        if text[start:end].strip() and start < end:
            yield Part(part.name, *strip(text, start, end))


def _refuse_empty(name: str, text: Any) -> None:
    if not isinstance(text, str):
        msg = f"The text of {name} must be a string, but it is a {type(text).__name__}."
        raise TypeError(msg)
    if not text.strip():
        msg = f"The text of {name} is empty; leave it out."
        raise ValueError(msg)


def _refuse_unknown(fixed: Collection[str | int], roles: Sequence[str]) -> None:
    known = {"system", *roles, *range(len(roles))}  # a chat without a system message is no mistake
    if unknown := [each for each in fixed if each not in known]:
        msg = (
            f"fixed names messages by role ({', '.join(dict.fromkeys(roles))}) or by number (0 to "
            f"{len(roles) - 1}), but {unknown[0]!r} is none of them."
        )
        raise ValueError(msg)


def _render(
    messages: Sequence[Mapping[str, str]], tokenizer: Any, settings: dict[str, Any]
) -> tuple[str, list[Span]]:
    """The text of a chat and where the contents stand in it.

    A content such as "user" can occur in the template itself, so private characters are put around
    every content, inside of outer white space, which many templates take away. They are found
    without doubt, and gone from the text.
    """
    if not getattr(tokenizer, "chat_template", None):
        msg = (
            f"The tokenizer {type(tokenizer).__name__} has no chat template; write the prompt as "
            f"one text, or give a tokenizer of a chat model."
        )
        raise ValueError(msg)
    contents = [message["content"] for message in messages]
    begins = [chr(_FIRST_BEGIN + number) for number in range(len(messages))]
    marked = [
        {**message, "content": content.replace(core, begin + core + _END)}
        for message, content, begin in zip(messages, contents, begins, strict=True)
        for core in [content.strip()]
    ]
    frame = tokenizer.apply_chat_template(marked, tokenize=False, **settings)
    signs = [sign for sign in frame if sign in {_END, *begins}]
    if signs == [sign for begin in begins for sign in (begin, _END)]:
        text, spans = _without_signs(frame, begins)
        if [text[slice(*span)] for span in spans] == [content.strip() for content in contents]:
            return text, spans
    msg = (
        "The chat template does not show every message once, unchanged and in order, so its words "
        "have no certain place; render it yourself and give it as Prompt(text, rendered=True)."
    )
    raise ValueError(msg)


def _without_signs(frame: str, begins: list[str]) -> tuple[str, list[Span]]:
    text, spans, rest = "", [], frame
    for begin in begins:
        before, _, rest = rest.partition(begin)
        content, _, rest = rest.partition(_END)
        text += before
        spans.append((len(text), len(text) + len(content)))
        text += content
    return text + rest, spans
