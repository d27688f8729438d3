"""Tells whether a push comes from a Sendoff server: RFC 9421 and Standard Webhooks.

RFC 9421 needs cryptography: pip install sendoff[verify].
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx

from sendoff.errors import SendoffError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_NEEDED = ("@method", "@target-uri", "content-digest", "sendoff-task-id", "sendoff-attempt")
_INPUT = re.compile(r"(?:^|,\s*)sendoff=(\(([^)]*)\)[^,]*)")
_SIGNATURE = re.compile(r"(?:^|,\s*)sendoff=:([^:]+):")
_SKEW = 5.0  # seconds that clocks may differ
_FRESH, _HOLD, _AGAIN = 60.0, 900.0, 1.0  # seconds: keys are new, keys hold, between fetches for unknown ones


class Refused(SendoffError):
    """The request is not a push of the server, or is not new. Answer 401: it is tried again."""


class KeysUnavailable(SendoffError):
    """The keys cannot be had. Answer 503."""


class PublishedKeys:
    """The public keys of a server, by their ids. They are fetched on first use, again once a minute, and for
    an unknown one; while the server cannot be reached, the last ones hold for 15 minutes."""

    def __init__(self, url: str, clock: Callable[[], float] = time.time) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ValueError(f"keys URL {url!r}: want that of a server")
        self._url = url if parts.path.strip("/") else url.rstrip("/") + "/.well-known/sendoff-keys"
        self._clock, self._lock = clock, threading.Lock()
        self._keys: dict[str, bytes] = {}
        self._fetched = self._tried = float("-inf")

    def get(self, kid: str) -> bytes | None:
        """A key; None when the server does not publish it. Raises KeysUnavailable."""
        with self._lock:
            now = self._clock()
            due = now - self._fetched > _FRESH or kid not in self._keys
            if due and now - self._tried > _AGAIN:
                self._tried = now
                self._fetch(now)
            if now - self._fetched > _HOLD:
                raise KeysUnavailable("the keys to verify pushes with are not available")
            return self._keys.get(kid)

    def _fetch(self, now: float) -> None:
        try:
            answer = httpx.get(self._url, timeout=10.0).raise_for_status().json()
            self._keys = {k["kid"]: _unpadded(k["x"]) for k in answer["keys"]}
            self._fetched = now
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            pass  # the last ones hold


class Verifier:
    """Verifies pushes: with the keys that a server publishes (keys_url), with public keys by their ids
    (keys), or with the secrets of Standard Webhooks (webhook_secrets, "whsec_...", or public keys "whpk_..."), which
    bind neither method nor URL and are not protected against replay. The first that is given counts; without any, a
    ValueError.

    public_url: scheme and host under which the server calls this app, where a proxy changes them.
    tolerance: seconds that a signature may be old. replay_cache: so many accepted pushes are
    remembered, to refuse each the second time; 0 = none. Safe for several threads.
    """

    def __init__(
        self,
        keys_url: str | None = None,
        *,
        keys: Mapping[str, bytes] | None = None,
        webhook_secrets: Sequence[str] = (),
        public_url: str | None = None,
        tolerance: float = 300.0,
        replay_cache: int = 65536,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._secrets = [_public(s) if s.startswith("whpk_") else _secret(s) for s in webhook_secrets]
        published = PublishedKeys(keys_url, clock) if keys_url else None
        self._key = published.get if published else dict(keys).get if keys else None
        if self._key is None and not self._secrets:
            raise ValueError("there is nothing to verify with: want keys_url, keys or webhook_secrets")
        if self._key is not None:
            import cryptography  # noqa: F401  # told at start, not at the first push
        self._public = public_url.rstrip("/") if public_url else None
        self._tolerance, self._clock = tolerance, clock
        self._seen: OrderedDict[str, float] = OrderedDict()
        self._most, self._lock = replay_cache, threading.Lock()

    def verify(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> None:
        """Raises Refused unless the push is the server's and new. url is the whole one, without a default port."""
        self.head(method, url, headers)(body)

    def head(self, method: str, url: str, headers: Mapping[str, str]) -> Callable[[bytes], None]:
        """As verify, for those who have not read the body yet: a stranger is Refused before. What it
        returns checks the body, and raises Refused as well. Webhook signatures cover the body: of these
        only presence and age are checked before."""
        found = {k.lower(): v for k, v in headers.items()}
        if self._key is None:
            return self._webhook_head(found)
        if self._public:
            parts = urlsplit(url)
            url = self._public + url[len(f"{parts.scheme}://{parts.netloc}") :]
        nonce = self._signature(method, url, found)

        def check(body: bytes) -> None:
            digest = f"sha-512=:{base64.b64encode(hashlib.sha512(body).digest()).decode()}:"
            if not hmac.compare_digest(digest.encode(), found["content-digest"].encode()):
                raise Refused("the body is not what was signed")
            self._once(nonce)

        return check

    def _signature(self, method: str, url: str, headers: Mapping[str, str]) -> str:
        params = _INPUT.search(headers.get("signature-input", ""))
        signature = _SIGNATURE.search(headers.get("signature", ""))
        if not params or not signature:
            raise Refused("there is no signature of Sendoff")
        names = re.findall(r'"([^"]*)"', params[2])
        fields: dict[str, str] = dict(re.findall(r';(\w+)="?([^";]*)"?', params[1]))
        self._complete(names, fields, headers)
        values = {"@method": method, "@target-uri": url}
        try:
            base = "".join(f'"{n}": {values[n] if n in values else headers[n].strip()}\n' for n in names)
            made = base64.b64decode(signature[1], validate=True)
        except (KeyError, binascii.Error) as e:
            raise Refused("the signature cannot be read, or covers what is not there") from e
        assert self._key is not None
        raw = self._key(fields["keyid"])
        if raw is None:
            raise Refused("it was signed with a key that is not published")
        base += f'"@signature-params": {params[1]}'
        if not signed(raw, made, base.encode()):
            raise Refused("method, URL or a header is not what was signed")
        return fields["nonce"]

    def _complete(self, names: Sequence[str], fields: Mapping[str, str], headers: Mapping[str, str]) -> None:
        needed = (*_NEEDED, "content-type") if headers.get("content-type") else _NEEDED
        if any(n not in names for n in needed) or not {"keyid", "nonce", "created", "expires"} <= set(fields):
            raise Refused("the signature leaves out what must be signed")
        if fields.get("tag") != "sendoff-push" or fields.get("alg") != "ed25519":
            raise Refused("the signature is of another kind")
        self._fresh(fields["created"])
        if not fields["expires"].isdigit() or int(fields["expires"]) < self._clock() - _SKEW:
            raise Refused("the signature has expired")

    def _fresh(self, created: str) -> None:
        now = self._clock()
        if not created.isdigit() or not now - self._tolerance - _SKEW <= int(created) <= now + _SKEW:
            raise Refused("the signature is too old, or from the future")

    def _once(self, nonce: str) -> None:
        now = self._clock()
        with self._lock:
            while self._seen and next(iter(self._seen.values())) < now - self._tolerance - 2 * _SKEW:
                self._seen.popitem(last=False)
            if nonce in self._seen:
                raise Refused("this push was accepted before")
            if self._most:
                self._seen[nonce] = now
            if len(self._seen) > self._most:
                self._seen.popitem(last=False)

    def _webhook_head(self, headers: Mapping[str, str]) -> Callable[[bytes], None]:
        made = headers.get("webhook-signature", "").split()
        if not made:
            raise Refused("there is no webhook signature")
        created = headers.get("webhook-timestamp", "")
        self._fresh(created)

        def check(body: bytes) -> None:
            signed = f"{headers.get('webhook-id', '')}.{created}.".encode() + body
            if any(matches(made, signed) for matches in self._secrets):
                return
            raise Refused("the webhook signature is not that of the body")

        return check


def signed(raw: bytes, signature: bytes, base: bytes) -> bool:
    """The signature is that of a text, by an Ed25519 key. It needs cryptography."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import ed25519

    key: Ed25519PublicKey = ed25519.Ed25519PublicKey.from_public_bytes(raw)
    try:
        key.verify(signature, base)
    except InvalidSignature:
        return False
    return True


def _unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


_Matches = Callable[[Sequence[str], bytes], bool]  # one of the signatures is that of what was signed


def _secret(text: str) -> _Matches:
    try:
        key = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except binascii.Error as e:
        raise ValueError("webhook secret: want whsec_ and base64") from e
    if len(key) < 24:
        raise ValueError("webhook secret: want 24 bytes or more")

    def matches(made: Sequence[str], content: bytes) -> bool:
        want = "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
        return any(hmac.compare_digest(want.encode(), m.encode()) for m in made)

    return matches


_MOST = 8  # signatures of v1a that are looked at: each takes a while


def _public(text: str) -> _Matches:
    import cryptography  # noqa: F401  # told at start, not at the first push

    try:
        key = base64.b64decode(text.removeprefix("whpk_"), validate=True)
    except binascii.Error as e:
        raise ValueError("webhook key: want whpk_ and base64") from e
    if len(key) != 32:
        raise ValueError("webhook key: want 32 bytes")

    def matches(made: Sequence[str], content: bytes) -> bool:
        for one in [m.removeprefix("v1a,") for m in made if m.startswith("v1a,")][:_MOST]:
            try:
                signature = base64.b64decode(one, validate=True)
            except binascii.Error:
                continue
            if signed(key, signature, content):
                return True
        return False

    return matches
