"""Connections on which an answer is all there in time, or is given up."""

from __future__ import annotations

import io
import time
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from typing import TYPE_CHECKING, Any
from urllib.request import HTTPHandler, HTTPRedirectHandler, HTTPSHandler, build_opener

if TYPE_CHECKING:
    import socket
    from urllib.request import Request

__all__ = ["OPENER"]


class _PunctualReader(io.RawIOBase):
    """Reads from a socket whose timeout, else one of every read, holds for all reads together."""

    def __init__(self, source: io.RawIOBase, sock: socket.socket) -> None:
        self._source = source
        self._sock = sock
        seconds = sock.gettimeout()
        self._end = None if seconds is None else time.monotonic() + seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._end is not None:
            left = self._end - time.monotonic()
            if left <= 0:
                msg = "timed out"
                raise TimeoutError(msg)
            self._sock.settimeout(left)
        return self._source.readinto(buffer)

    def close(self) -> None:
        self._source.close()
        super().close()


class _PunctualResponse(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **settings: Any) -> None:
        super().__init__(sock, *args, **settings)
        self.fp = io.BufferedReader(_PunctualReader(self.fp.detach(), sock))


class _Connection(HTTPConnection):
    response_class = _PunctualResponse


class _SafeConnection(HTTPSConnection):
    response_class = _PunctualResponse


class _Handler(HTTPHandler):
    def http_open(self, req: Request) -> HTTPResponse:
        return self.do_open(_Connection, req)


class _SafeHandler(HTTPSHandler):
    def https_open(self, req: Request) -> HTTPResponse:
        return self.do_open(_SafeConnection, req)


class _NoRedirection(HTTPRedirectHandler):
    """To another address the key would go along."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


OPENER = build_opener(_NoRedirection, _Handler, _SafeHandler)
