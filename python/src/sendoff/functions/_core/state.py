"""The state that travels in a poll, to servers that keep no journal: a whole journal, deflated."""

from __future__ import annotations

import zlib
from typing import Any

from sendoff.functions._format.journal import Damaged
from sendoff.functions._format.messages import Any_, message

_MAGIC = b"SOJ\x01"  # the last byte is its version
_URL = "type.googleapis.com/google.protobuf.BytesValue"
_MAX = 256 << 20  # bytes of a journal that is unpacked
_Bytes = message("google.protobuf.BytesValue")


def pack(journal: bytes) -> Any:
    """Makes a state, which every server can resolve the type of."""
    deflate = zlib.compressobj(1, wbits=-15)
    packed = _MAGIC + deflate.compress(journal) + deflate.flush()
    return Any_(type_url=_URL, value=_Bytes(value=packed).SerializeToString())


def unpack(state: Any) -> bytes:
    """The journal of a state. Raises Damaged."""
    if state.type_url != _URL:
        raise Damaged(f"the journal is damaged: the state is a {state.type_url}, not one of this SDK")
    packed = _Bytes.FromString(state.value).value
    if not packed.startswith(_MAGIC):
        raise Damaged("the journal is damaged: the state is not one of this SDK, or of a newer one")
    inflate = zlib.decompressobj(wbits=-15)
    try:
        text = inflate.decompress(packed[len(_MAGIC) :], _MAX + 1)
    except zlib.error as e:
        raise Damaged(f"the journal is damaged: {e}") from e
    if not inflate.eof and len(text) <= _MAX:
        raise Damaged("the journal is damaged: its end is missing")
    if len(text) > _MAX:
        raise Damaged(f"the journal is damaged: it unpacks to more than {_MAX} bytes")
    return text
