"""What running functions ask of their server: FunctionExtension of the protocol."""

from __future__ import annotations

import base64
import binascii
import functools
import json
import ssl
from collections import deque
from typing import Any
from urllib.parse import urlsplit

from sendoff.errors import Unreachable
from sendoff.functions._connection import Connection, Garbled, written
from sendoff.functions._core.listener import Stale
from sendoff.functions._format.messages import CheckpointRequest, ReceiveRequest, ReceiveResponse, duration

_SERVICE = "/sendoff.v1.FunctionExtension/"
_MAX_IDLE = 32  # connections that are kept
_WAIT = 25.0  # seconds that one question waits for an answer
_STALE = {"aborted", "failed_precondition", "not_found"}


class HTTPServer:
    """A server, over HTTP. Safe for several threads: each request has a connection of its own, which is kept."""

    def __init__(self, url: str, api_key: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"server URL {url!r}: want something like http://127.0.0.1:4450")
        tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._connect = functools.partial(Connection, parts.hostname, parts.port or (443 if tls else 80), tls)
        self._host, self._path = parts.hostname, parts.path.rstrip("/") + _SERVICE
        headers = {"Host": parts.netloc.rpartition("@")[2], "Content-Type": "application/proto"}
        if api_key:
            headers["Authorization"] = f"Bearer {api_key}"
        self._headers = headers
        self._idle: deque[Connection] = deque()

    def checkpoint(self, id: str, token: int, segment: Any) -> None:
        """Puts a segment on record. Raises Stale when another attempt has taken over."""
        self._ask("Checkpoint", CheckpointRequest(dispatch_id=id, token=token, append=segment), 10.0)

    def receive(self, id: str, token: int, after: int) -> Any:
        """What came for a run, as a ReceiveResponse, after a while at the latest. Raises Stale."""
        request = ReceiveRequest(dispatch_id=id, token=token, after=after, wait=duration(int(_WAIT * 1_000_000)))
        return ReceiveResponse.FromString(self._ask("Receive", request, _WAIT + 10))

    def _ask(self, method: str, request: Any, timeout: float) -> bytes:
        status, body = self._post(written(self._path + method, self._headers, request.SerializeToString()), timeout)
        if status == 200:
            return body
        try:
            told = json.loads(body)
            code, text = str(told["code"]), str(told.get("message", ""))
        except (ValueError, KeyError, TypeError):
            code, text = "", body[:200].decode(errors="replace")
        if code in _STALE:
            raise Stale(f"another attempt has taken over: {method}: {text}")
        raise Unreachable(f"{method}: {text or status}")

    def _post(self, request: bytes, timeout: float) -> tuple[int, bytes]:
        while True:
            connection: Connection | None = None
            kept = True
            try:
                try:
                    connection = self._idle.pop()
                except IndexError:
                    connection, kept = self._connect(timeout), False
                status, body = connection.ask(request, timeout)
            except (OSError, Garbled) as e:
                if connection is not None:
                    connection.close()
                if kept and not isinstance(e, TimeoutError):
                    continue  # it was closed meanwhile; what is asked may be asked twice
                raise Unreachable(f"{self._host}: {e}") from e
            if connection.stays and len(self._idle) < _MAX_IDLE:
                self._idle.append(connection)
            else:
                connection.close()
            return status, body


def parse_keys(text: str) -> list[bytes]:
    """Reads public keys: PEM, or 32 bytes in base64, separated by commas. Line breaks may be written as \\n."""
    return [_key(part.strip()) for part in text.replace("\\n", "\n").split(",") if part.strip()]


def _key(text: str) -> bytes:
    body = "".join(line for line in text.splitlines() if not line.startswith("-----"))
    try:
        raw = base64.b64decode(body, validate=True)
    except binascii.Error:
        raw = b""
    if text.startswith("-----") and len(raw) == 44 and raw[:12] == _ED25519:
        return raw[12:]
    if len(raw) != 32:
        raise ValueError("verification key: want the PEM of an Ed25519 key, or its 32 bytes in base64")
    return raw


_ED25519 = bytes.fromhex("302a300506032b6570032100")  # what its 32 bytes come after: RFC 8410
