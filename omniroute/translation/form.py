"""A body as fields of a form: what servers take that are sent a file with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from omniroute.base.bigjson import write_json
from omniroute.translation.shape import is_array

Fields = list[tuple[str, str]]


def fields_of(body: Mapping[str, Any]) -> Fields:
    """The members, less the file, as names and texts; a list is a field for each of its items."""
    return [
        (name, text) for name, value in body.items() if name != "file" for text in _texts(value)
    ]


def in_parts(
    fields: Iterable[tuple[str, str]], boundary: str, *, ending: str, type: str
) -> tuple[bytes, bytes]:
    """What stands before and behind a file in multipart/form-data (RFC 7578).

    Many servers tell what a file is by the ending of its name: it gets the one of what it is.
    """
    parts = [_part(boundary, f'form-data; name="{_quoted(name)}"', text) for name, text in fields]
    head = f'form-data; name="file"; filename="audio.{ending}"\r\nContent-Type: {type}'
    return "".join((*parts, _part(boundary, head))).encode(), f"\r\n--{boundary}--\r\n".encode()


def _part(boundary: str, head: str, text: str | None = None) -> str:
    end = "" if text is None else f"{text}\r\n"
    return f"--{boundary}\r\nContent-Disposition: {head}\r\n\r\n{end}"


def _quoted(name: str) -> str:
    """A field's name as browsers write it (WHATWG's HTML, multipart/form-data)."""
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def _texts(value: Any) -> Iterator[str]:
    for item in value if is_array(value) else (value,):
        if item is not None:
            yield item if isinstance(item, str) else write_json(item).decode()
