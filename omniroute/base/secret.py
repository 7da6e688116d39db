"""Secrets that cannot be printed by accident, compared in constant time, and taken out of texts."""

from __future__ import annotations

import hmac
import html
import json
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

MASK: Final = "***"

_LEAST: Final = 4
"""Fewer characters keep nothing secret: masking them would only blur every text."""
_ANYWHERE: Final = 8
"""Shorter ones ("none", "ollama") are masked as words of their own, not inside other words."""
_PATH_TOKEN: Final = 16
"""From this length on a step of a URL's path is taken for a token."""
_BEGINNING: Final = 12
"""So much of a long secret gives it away: where a text was cut, the rest is missing."""
_KEYLIKE: Final = r"[\w+/=~.%-]"


class Secret:
    """Holds a secret; `str`, `repr` and f-strings give a mask, only `reveal` gives the value."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def masked(self) -> str:
        """A hint for people: the last four characters of a long secret, nothing of a short one."""
        return f"…{self._value[-4:]}" if len(self._value) >= 16 else MASK

    def __repr__(self) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)


class Redactor:
    """Takes known secrets out of text, whole or in parts, however they are spelled there.

    Found are the value itself, the words of a header (`Bearer KEY`), the password, the tokens in
    the path and the query's values of a URL; plain, or escaped for JSON, URLs or HTML, or in
    base64, also as a part of something longer; in either case; and a long one's beginning where
    the text was cut. Making one is cheap: a pattern is compiled when its secret seems to be there.
    """

    def __init__(self, secrets: Iterable[Secret]) -> None:
        found: set[str] = set()
        for secret in secrets:
            for value in _parts(secret.reveal()):
                found.add(value)
                if len(value) >= _ANYWHERE:
                    found.update(_encoded(value))
        self._spellings = tuple(_Spelling(one) for one in sorted(found, key=len, reverse=True))

    def __call__(self, text: str) -> str:
        """`text` with a mask for each secret in it."""
        lowered = text.lower()
        for one in self._spellings:
            if one.anchor in lowered:
                text = one.pattern.sub(MASK, text)
        return text


class _Spelling:
    """One value to look for."""

    def __init__(self, value: str) -> None:
        self._value = value
        self._beginning = _beginning(value)
        # What no escaping changes, and so stands in every text that holds the value or its start.
        plain = re.findall(r"[a-z0-9]+", (self._beginning or value).lower())
        self.anchor = max(plain, key=len, default="")

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        pattern = _escaped(self._value)
        if len(self._value) < _ANYWHERE:
            pattern = rf"(?<!\w){pattern}(?!\w)"
        elif self._beginning:
            end = "" if len(self._value) >= 2 * _ANYWHERE else r"\Z"
            pattern += rf"|{_escaped(self._beginning)}{_KEYLIKE}*{end}"
        return re.compile(pattern, re.IGNORECASE)


def _beginning(value: str) -> str:
    """What gives the value away where its rest is missing; empty for what begins as words do."""
    start = value[: min(_BEGINNING, len(value) // 2)]
    is_word = start.isalpha() and start[1:].islower()
    return "" if len(value) < _ANYWHERE or is_word or "://" in value else start


def _parts(value: str) -> Iterator[str]:
    """The value, and what of it is a secret by itself."""
    if len(value) >= _LEAST:
        yield value
    if "://" in value:
        yield from _of_url(value)
        return
    for word in re.split(r"[\s;,]+", value):
        for part in (word, word.partition("=")[2]):
            if _ANYWHERE <= len(part) < len(value):
                yield part


def _of_url(value: str) -> Iterator[str]:
    try:
        url = urlsplit(value)
    except ValueError:
        return  # the whole of it is masked all the same
    user, _, password = url.netloc.rpartition("@")[0].partition(":")
    found = [unquote(password), f"{unquote(user)}:{unquote(password)}" if password else ""]
    found += [part for _, part in parse_qsl(url.query)]
    yield from (part for part in found if len(part) >= _LEAST)
    yield from (step for step in url.path.split("/") if len(step) >= _PATH_TOKEN)


def _encoded(value: str) -> Iterator[str]:
    """What base64 makes of the value, wherever in the encoded bytes it begins."""
    data = value.encode(errors="surrogatepass")
    for before in range(3):
        text = b64encode(bytes(before) + data).decode().rstrip("=")
        # The first and the last character also hold bits of what stands around the value.
        inner = text[-(-before * 8 // 6) : (before + len(data)) * 8 // 6]
        if len(inner) >= _ANYWHERE:
            yield inner


def _escaped(value: str) -> str:
    """A pattern for the value, each character in any of its spellings."""
    return "".join(map(_character, value))


def _character(char: str) -> str:
    if char.isascii() and char.isalnum():
        return char
    units = char.encode("utf-16-be", errors="surrogatepass")
    ways = {
        rf"\\*{re.escape(char)}" if char != "\\" else r"\\+",
        "".join(rf"\\+u{units[at : at + 2].hex()}" for at in range(0, len(units), 2)),
        "".join(f"%(?:25)*{byte:02x}" for byte in char.encode(errors="surrogatepass")),
        rf"&\#0*{ord(char)};",
        rf"&\#x0*{ord(char):x};",
    }
    in_json, in_html = json.dumps(char)[1:-1], html.escape(char)
    if in_json[0] == "\\" and in_json[1] not in 'u"\\':
        ways.add(rf"\\+{in_json[1]}")  # a line break, a tab
    if in_html != char:
        ways.add(re.escape(in_html))
    if char == " ":
        ways.add(r"\+")
    # Base64 has a second alphabet for URLs.
    ways.update({"+": ("-",), "/": ("_",)}.get(char, ()))
    return f"(?:{'|'.join(sorted(ways))})"
