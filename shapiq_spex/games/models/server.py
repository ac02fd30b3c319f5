"""Asking a server for JSON, again if need be, without ever telling the key."""

from __future__ import annotations

import json
import math
import os
import random
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from numbers import Real
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request

from shapiq_spex.checks import whole
from shapiq_spex.games.models.connection import OPENER

__all__ = ["Server"]

_AGAIN = {408, 409, 425, 429}  # and everything from 500 on
_A_DAY = 86400.0
LONGEST_PAUSE = 600.0  # seconds a server may ask for
_READ = 2**16  # bytes of a refusal
_SHOWN = 300  # characters of it
_CUT_ESCAPE = re.compile(r"\\+(u[0-9a-fA-F]{0,3})?$")
_MASK = "***"
_TELLING = 4  # characters of a key; fewer tell nothing


@dataclass(frozen=True)
class Server:
    """A server that answers JSON with JSON.

    Attributes:
        url: Where it is, such as "https://api.openai.com/v1".
        key_variable: The environment variable with the key, such as "OPENAI_API_KEY"; by default no
            key is sent. The key is read for every request and kept nowhere.
        timeout: Seconds to wait for a connection, and then for the whole answer.
        attempts: How often a request is tried before it is given up.
        pause: Seconds before the second attempt; doubled before each further one.

    Raises:
        ValueError: If the address is not one of the web, or holds a password, a key or a query;
            if there is no attempt or no time for one.
    """

    url: str
    key_variable: str | None = None
    timeout: float = 60.0
    attempts: int = 6
    pause: float = 0.5

    def __post_init__(self) -> None:
        """Check the address and the numbers."""
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            msg = f"A server needs an address like 'https://host/v1', but {self.url!r} was given."
            raise ValueError(msg)
        if parts.username or parts.password or parts.query:
            msg = (
                "The address of a server may hold no user, password or query; put the key into an "
                "environment variable and name that as key_variable=."
            )
            raise ValueError(msg)
        whole("Server", "attempts", self.attempts)
        for name, seconds, least in (("timeout", self.timeout, 0.001), ("pause", self.pause, 0.0)):
            number = isinstance(seconds, Real) and not isinstance(seconds, bool)
            if not number or not least <= seconds <= _A_DAY:
                msg = (
                    f"Server needs a {name} of at least {least:g} seconds and at most a day, "
                    f"got {seconds!r}."
                )
                raise ValueError(msg)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Return the answer to a request.

        It is tried again after time-outs, broken connections, answers 429 and those of the kind
        5xx, as late as the server asks for, or with pauses that double.

        Raises:
            ValueError: If the server refuses the request, or answers something else than JSON.
            ConnectionError: If it gave no answer in all attempts.
        """
        failure, wanted = "", None
        for attempt in range(self.attempts):
            if attempt:
                time.sleep(self._pause(attempt, wanted))
            try:
                return self._post(path, body)
            except HTTPError as error:
                failure = f"{error.code} {self._told(error)}"
                if error.code not in _AGAIN and error.code < 500:
                    msg = f"The server {self.url} refuses the request: {failure}"
                    raise ValueError(msg) from None
                wanted = error.headers.get("Retry-After")
            except (OSError, HTTPException) as error:  # refused, broken off, too late
                wanted = None
                failure = self.says(f"{type(error).__name__}: {error}")
        msg = f"The server {self.url} gave no answer in {self.attempts} attempts; last, {failure}"
        raise ConnectionError(msg)

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        headers = {"Content-Type": "application/json"}
        if key := self._key():
            headers["Authorization"] = f"Bearer {key}"
        address = f"{self.url.rstrip('/')}/{path}"
        request = Request(address, json.dumps(body).encode(), headers)  # noqa: S310 - see above
        with OPENER.open(request, timeout=self.timeout) as answer:
            text = answer.read()
        with suppress(ValueError, RecursionError):
            return json.loads(text)
        msg = f"The server {self.url} answers no JSON, but {self.says(text)[:80]!r}."
        raise ValueError(msg)

    def says(self, said: Any) -> str:
        """Return what the server said, fit to be shown: without the key, and then cut.

        Args:
            said: A text, bytes, or what was read from JSON.

        Returns:
            The first 300 characters, without backslashes, for a key could hide behind them.
        """
        if isinstance(said, bytes):
            text = said.decode(errors="replace")
        else:
            text = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
        text = _plain(_CUT_ESCAPE.sub("", text))
        return _masked(text, _plain(self._key()))[:_SHOWN]

    def _pause(self, attempt: int, wanted: str | None) -> float:
        """Half of the pause is left to chance, so that refused requests do not come all at once."""
        try:
            seconds = float(wanted or "")
        except ValueError:
            seconds = math.nan
        if 0 <= seconds <= LONGEST_PAUSE:
            return seconds
        return self.pause * 2 ** (attempt - 1) * random.uniform(0.5, 1.0)  # noqa: S311

    def _told(self, error: HTTPError) -> str:
        text = b""
        with suppress(OSError, HTTPException):
            text = error.read(_READ)
        return self.says(f"{error.reason}. {text.decode(errors='replace')}")

    def _key(self) -> str:
        """The key, which has to be there if a variable is named.

        Raises:
            ValueError: If the environment has no such variable, or no key in it.
        """
        if self.key_variable is None:
            return ""
        key = os.environ.get(self.key_variable, "").strip()
        if not key:
            msg = f"The environment variable {self.key_variable} is empty; put the key into it."
            raise ValueError(msg)
        if not (key.isascii() and key.isprintable()):  # or the client would print it in its error
            msg = f"The environment variable {self.key_variable} holds no key: odd characters."
            raise ValueError(msg)
        return key


def _plain(text: str) -> str:
    """The text with the escapes of JSON undone, also of JSON in JSON, and what cannot be seen."""
    text = re.sub(r"\\+u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), text)
    text = re.sub(r"\\+[nrt]", " ", text)
    return "".join(filter(str.isprintable, text)).replace("\\", "")


def _masked(text: str, key: str) -> str:
    """The text without the key, and without a beginning of it that a cut left at the end."""
    if not key:
        return text
    text = text.replace(key, _MASK)
    for size in range(len(key) - 1, _TELLING - 1, -1):
        if text.endswith(key[:size]):
            return text[:-size] + _MASK
    return text
