"""JSON that is large, read in steps: a parser holds every thread of the process while it works."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import orjson

STEP_BYTES: Final = 256 << 10
_LEVELS: Final = 6
"""So often what stands within is cut out and read by itself; each time it is gone over again."""

_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_items: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_text: Final = msgspec.json.Decoder(str).decode


def read_json(raw: bytes) -> Any:
    """The value; what is large in it is read member by member, so that others get their turn.

    Raises orjson.JSONDecodeError.
    """
    if len(raw) <= STEP_BYTES:
        return orjson.loads(raw)
    try:
        return _read(raw, _LEVELS)
    except (ValueError, msgspec.DecodeError, RecursionError):
        return orjson.loads(raw)  # which says where it is broken


def _read(raw: bytes | memoryview, levels: int) -> Any:
    if len(raw) > STEP_BYTES and levels:
        match bytes(raw[:64]).lstrip(b" \t\r\n")[:1]:
            case b"{":
                members = _members(raw).items()
                return {name: _read(memoryview(one), levels - 1) for name, one in members}
            case b"[":
                return [_read(memoryview(one), levels - 1) for one in _items(raw)]
            case b'"':
                return _text(raw)
            case _:
                pass
    return orjson.loads(raw)
