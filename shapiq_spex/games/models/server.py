"""Asking a server for JSON, again if need be, without ever telling the key."""

from __future__ import annotations

import json
import math
import os
import random
import time
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

__all__ = ["Server"]

_AGAIN = {408, 409, 425, 429}  # and everything from 500 on
LONGEST_PAUSE = 600.0  # seconds a server may ask for


class _NoRedirection(HTTPRedirectHandler):
    """To another address the key would go along."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


_OPENER = build_opener(_NoRedirection)


@dataclass(frozen=True)
class Server:
    """A server that answers JSON with JSON.

    Attributes:
        url: Where it is, such as "https://api.openai.com/v1".
        key_variable: The environment variable with the key, such as "OPENAI_API_KEY"; by default no
            key is sent. The key is read for every request and kept nowhere.
        timeout: Seconds to wait for an answer.
        attempts: How often a request is tried before it is given up.
        pause: Seconds before the second attempt; doubled before each further one.

    Raises:
        ValueError: If the address is not one of the web, or holds a password, a key or a query.
    """

    url: str
    key_variable: str | None = None
    timeout: float = 60.0
    attempts: int = 6
    pause: float = 0.5

    def __post_init__(self) -> None:
        """Check the address."""
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
                failure = self._told(error)
                if error.code not in _AGAIN and error.code < 500:
                    msg = f"The server {self.url} refuses the request: {failure}"
                    raise ValueError(msg) from None
                wanted = error.headers.get("Retry-After")
            except (OSError, HTTPException) as error:  # refused, broken off, too late
                wanted = None
                failure = self._without_key(f"{type(error).__name__}: {error}")
        msg = f"The server {self.url} gave no answer in {self.attempts} attempts; last, {failure}"
        raise ConnectionError(msg)

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        headers = {"Content-Type": "application/json"}
        if key := self._key():
            headers["Authorization"] = f"Bearer {key}"
        address = f"{self.url.rstrip('/')}/{path}"
        request = Request(address, json.dumps(body).encode(), headers)  # noqa: S310 - see above
        with _OPENER.open(request, timeout=self.timeout) as answer:
            text = answer.read()
        try:
            return json.loads(text)
        except ValueError:
            start = self._without_key(text[:80].decode(errors="replace"))
            msg = f"The server {self.url} answers no JSON, but {start!r}."
            raise ValueError(msg) from None

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
        try:
            text = error.read(2000).decode(errors="replace")
        except (OSError, HTTPException):
            text = ""
        return self._without_key(f"{error.code} {error.reason}. {text[:300]}")

    def _without_key(self, text: str) -> str:
        key = self._key()
        return text.replace(key, "***") if key else text

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
