"""Whether a run comes from the server: a signature of RFC 9421 with Ed25519, label "dispatch", key id "default"."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import time
from collections.abc import Callable, Mapping, Sequence

from sendoff.errors import SendoffError
from sendoff.verify import signed

_OLDEST, _AHEAD = 300, 10  # seconds of the age of a signature
_NEEDED = ("@method", "@path", "@authority", "content-type", "content-digest")
_INPUT = re.compile(r"(?:^|,\s*)dispatch=(\(([^)]*)\)[^,]*)")
_SIGNATURE = re.compile(r"(?:^|,\s*)dispatch=:([^:]+):")
_NUMBER = re.compile(r"[0-9]{1,15}")
_DIGEST = re.compile(r"(sha-512|sha-256)=:([^:]*):")


class Unsigned(SendoffError):
    """There is no signature, or it cannot be read."""


class Wrong(SendoffError):
    """The signature is not that of this request."""


class RunVerifier:
    """Checks the signatures of runs. A run that is played again is harmless: its attempt is over."""

    def __init__(self, keys: Sequence[bytes], authority: str, clock: Callable[[], float] = time.time) -> None:
        self._keys, self._authority, self._clock = keys, authority, clock

    def head(self, method: str, path: str, headers: Mapping[str, str]) -> Callable[[bytes], None]:
        """Checks all but the body; what is returned checks that."""
        params, signature = (
            _INPUT.search(headers.get("signature-input", "")),
            _SIGNATURE.search(headers.get("signature", "")),
        )
        if params is None or signature is None:
            raise Unsigned("there is no signature with the label dispatch")
        names = re.findall(r'"([^"]*)"', params[2])
        if missing := [n for n in _NEEDED if n not in names]:
            raise Unsigned(f"the signature leaves out {' '.join(missing)}")
        fields: dict[str, str] = dict(re.findall(r';(\w+)="?([^";]*)"?', params[1]))
        if fields.get("keyid") != "default" or fields.get("alg", "ed25519") != "ed25519":
            raise Wrong(f"it was signed with key {fields.get('keyid', '')!r}, algorithm {fields.get('alg', '')!r}")
        self._fresh(fields)
        try:
            made = base64.b64decode(signature[1], validate=True)
        except binascii.Error as e:
            raise Unsigned("the signature cannot be read") from e
        for authority in dict.fromkeys((headers.get("host", ""), self._authority)):  # the second: behind a proxy
            base = _base(names, params[1], {"@method": method, "@path": path, "@authority": authority.lower()}, headers)
            if any(signed(key, made, base) for key in self._keys):
                return lambda body: _check_digest(headers["content-digest"], body)
        raise Wrong("method, path, host or a header is not what was signed, or the key is another one")

    def _fresh(self, fields: Mapping[str, str]) -> None:
        now, created, expires = self._clock(), fields.get("created", ""), fields.get("expires", "")
        if not _NUMBER.fullmatch(created) or not now - _OLDEST <= int(created) <= now + _AHEAD:
            raise Wrong("the signature is too old, or from the future, or has no time")
        if expires and (not _NUMBER.fullmatch(expires) or int(expires) <= now):
            raise Wrong("the signature has expired")


def _base(names: Sequence[str], params: str, derived: Mapping[str, str], headers: Mapping[str, str]) -> bytes:
    try:
        lines = [f'"{n}": {derived[n] if n in derived else headers[n].strip()}' for n in names]
    except KeyError as e:
        raise Unsigned(f"the signature covers {e}, which is not there") from e
    return "\n".join([*lines, f'"@signature-params": {params}']).encode()


def _check_digest(header: str, body: bytes) -> None:
    found = _DIGEST.search(header)
    if found is None:
        raise Wrong("there is no digest of the body")
    made = hashlib.new(found[1].replace("-", ""), body).digest()
    if not hmac.compare_digest(base64.b64encode(made), found[2].encode()):
        raise Wrong("the body is not what was signed")
