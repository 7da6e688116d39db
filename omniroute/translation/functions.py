"""The general functions that every table may call in its expressions; none knows a format.

All are pure and take JSON values. A value of a type that makes no sense raises TranslationError;
null in mostly means null out, so that a row whose field is absent leaves its key out.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import sys
from array import array
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import orjson

from omniroute.base.bigjson import read_json, write_json
from omniroute.base.chosen import cached_if_short, digest_of, shortened
from omniroute.errors import TranslationError
from omniroute.expr.functions import BUILTINS, Function, equals, type_name
from omniroute.translation.conversation import (
    call_key,
    fit_id,
    fit_name,
    is_fitted,
    join_blocks,
    link_calls,
    own_name,
)
from omniroute.translation.schemas import (
    allows_more,
    closed_schema,
    plain_schema,
    requires_all,
    schema_subset,
)
from omniroute.translation.shape import is_array, is_object
from omniroute.translation.spoken import lines_of, subtitles

_DATA_URL: Final = re.compile(
    r"data:([\w.+-]+/[\w.+-]+)?((?:;[\w-]+=[^;,]*)*)(;base64)?,", re.IGNORECASE
)
_MAGIC: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
)
_PLAIN: Final = re.compile(r"[a-zA-Z0-9_-]+")
_NOT_PLAIN: Final = re.compile(r"[^a-zA-Z0-9_-]")
_LAST_TIME_S: Final = 253402300800  # the year 10000
_SNAKE: Final = re.compile(r"_([a-zA-Z0-9])")
_TREES: Final = frozenset({dict, list})
_SEAL: Final = b"omni:"
SEAL_MARK: Final = b"b21uaT"
"""How everything that `seal` writes begins: a body without it holds nothing that is sealed."""
_URL_SAFE: Final = str.maketrans("+/", "-_")
_USUAL: Final = str.maketrans("-_", "+/")
_ENDINGS: Final = (
    (".png", "image/png"),
    (".jpg", "image/jpeg"),
    (".jpeg", "image/jpeg"),
    (".gif", "image/gif"),
    (".webp", "image/webp"),
    (".pdf", "application/pdf"),
    (".mp3", "audio/mpeg"),
    (".wav", "audio/wav"),
    (".mp4", "video/mp4"),
)
_RIFF: Final = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}


def parts(content: Any) -> Any:
    """Message content as a list of parts: text becomes one text part, empty text none."""
    if content is None or is_array(content):
        return content
    if type(content) is str:
        return [{"type": "text", "text": content}] if content else []
    raise TranslationError(f"content must be text or an array, not {type_name(content)}")


def plain_text(content: Any) -> Any:
    """The text of content in any of its shapes (text, parts, blocks), joined without separator."""
    if content is None or type(content) is str:
        return content
    if is_array(content):
        found = [part if type(part) is str else part.get("text") for part in _texts(content)]
        return "".join(text for text in found if type(text) is str)
    raise TranslationError(f"content must be text or an array, not {type_name(content)}")


def _texts(items: list[Any]) -> list[Any]:
    return [item for item in items if type(item) in (str, dict)]


def collapse(content: Any) -> Any:
    """A list of one bare text part as that text, so that simple turns look simple; else as is."""
    if is_array(content) and len(content) == 1:
        part = content[0]
        if is_object(part) and len(part) == 2 and part.get("type") == "text":
            return part.get("text")
    return content


def parse_json(text: Any) -> Any:
    """The value that a JSON text holds: {} for empty text, null where it is no JSON.

    What is parsed already is given back, as some servers send an object where text is due.
    """
    if type(text) is not str:
        return text
    if not text or text.isspace():
        return {}
    try:
        return read_json(text.encode())
    except orjson.JSONDecodeError:
        return None


def parse_object(text: Any) -> dict[str, Any]:
    """Like `parse_json`, but always an object; what is none stands under the key `value`."""
    value = parse_json(text)
    if is_object(value):
        return value
    if value is None:
        return {} if text is None else {"value": text}
    return {"value": value}


def parse_lines(text: Any) -> Any:
    """The JSON values of a text that has one a line; a line that is none is left out."""
    if type(text) is not str:
        return None
    values: list[Any] = []
    for line in text.splitlines():
        with suppress(ValueError):
            values.append(read_json(line.encode(errors="replace")))
    return values


def join_pieces(items: Any, key: Any, *names: Any) -> Any:
    """Objects with the same value under `key` made one: their texts under `names` joined, of
    everything else what comes last and is not null."""
    if not is_array(items) or type(key) is not str:
        return items
    joined: list[Any] = []
    places: dict[Any, dict[str, Any]] = {}
    texts: dict[tuple[Any, str], list[str]] = {}
    for item in items:
        place = item.get(key) if is_object(item) else None
        if type(place) not in (int, str):
            joined.append(item)
            continue
        if place not in places:
            places[place] = dict(item)
            joined.append(places[place])
        for name, value in item.items():
            if name in names and type(value) is str:
                texts.setdefault((place, name), []).append(value)
            if value is not None:
                places[place][name] = value
    for (place, name), pieces in texts.items():
        if type(places[place][name]) is str:
            places[place][name] = "".join(pieces)
    return joined


def to_json(value: Any) -> Any:
    """A value as compact JSON text, key order kept."""
    try:
        return None if value is None else write_json(value).decode()
    except TypeError as error:
        raise TranslationError("a value is nested too deeply for JSON text") from error


def error_words(*said: Any) -> Any:
    """What an error says, in whatever shape it comes: text, lists, objects, JSON in a text."""
    words = [found for value in said if (found := _words(value))]
    return ": ".join(dict.fromkeys(words)) or None


_WORDS: Final = ("message", "msg", "detail", "error", "error_message", "reason", "title")


def _words(value: Any) -> str:
    if type(value) is str:
        inner = parse_json(value) if value[:1] in ("{", "[") else None
        return (_words(inner) if inner else "") or value
    if is_array(value):
        return "; ".join(filter(None, map(_words, value)))
    if not is_object(value):
        return ""
    found = next((words for name in _WORDS if (words := _words(value.get(name)))), "")
    place = error_place(value)
    return f"{place}: {found}" if found and place else found


def error_place(value: Any) -> Any:
    """The field that a validation error of FastAPI names, of several the first one's; else null."""
    first = value[0] if is_array(value) and value else value
    place = first.get("loc") if is_object(first) else None
    if not is_array(place):
        return None
    return ".".join(str(step) for step in place if type(step) in (str, int) and step != "body")


def as_list(value: Any) -> Any:
    """A lone value as a list of one; null stays null."""
    return value if value is None or is_array(value) else [value]


def concat(*lists: Any) -> list[Any]:
    """Lists one after the other; null is nothing, any other value one item."""
    joined: list[Any] = []
    for items in lists:
        if is_array(items):
            joined.extend(items)
        elif items is not None:
            joined.append(items)
    return joined


def join_text(first: Any, *others: Any) -> str:
    """Texts one after the other, numbers included; null is nothing."""
    text = ""
    for value in (first, *others):
        if type(value) is str:
            text += value
        elif type(value) is int:
            text += str(value)
    return text


def split_text(text: Any, separator: Any) -> Any:
    """The pieces of a text."""
    if type(text) is not str or type(separator) is not str or not separator:
        return None
    return text.split(separator)


def before(text: Any, separator: Any) -> Any:
    """The text before the first separator; null where there is none."""
    head, found, _ = _partition(text, separator)
    return head if found else None


def after(text: Any, separator: Any) -> Any:
    """The text behind the first separator; null where there is none."""
    _, found, tail = _partition(text, separator)
    return tail if found else None


def _partition(text: Any, separator: Any) -> tuple[str, str, str]:
    if type(text) is not str or type(separator) is not str or not separator:
        return "", "", ""
    return text.partition(separator)


def plus(*values: Any) -> Any:
    """The sum, null counting as zero; null when all are null."""
    numbers = [value for value in values if type(value) in (int, float)]
    return sum(numbers) if numbers else None


def minus(first: Any, *others: Any) -> Any:
    """`first` less the others, never below zero; null when `first` is no number."""
    if type(first) not in (int, float):
        return None
    return max(0, first - sum(value for value in others if type(value) in (int, float)))


def scaled(value: Any, factor: Any) -> Any:
    """A number in another unit; null for what is none."""
    if type(value) not in (int, float) or type(factor) not in (int, float):
        return None
    return round(value * factor, 6)


def clamp(value: Any, low: Any, high: Any) -> Any:
    """A number moved into [low, high]; null is no bound on that side, and `low` wins."""
    if type(value) not in (int, float):
        return None
    if type(high) in (int, float):
        value = min(value, high)
    return max(value, low) if type(low) in (int, float) else value


def take(items: Any, count: Any) -> Any:
    """The first `count` items."""
    return items[:count] if is_array(items) and type(count) is int else items


def take_while(items: Any, key: Any, *values: Any) -> Any:
    """The items before the first one whose `key` is none of the values."""
    return items[: _prefix(items, key, values)] if is_array(items) else items


def skip_while(items: Any, key: Any, *values: Any) -> Any:
    """The items from the first one on whose `key` is none of the values."""
    return items[_prefix(items, key, values) :] if is_array(items) else items


def _prefix(items: list[Any], key: Any, values: tuple[Any, ...]) -> int:
    for number, item in enumerate(items):
        if not is_object(item) or item.get(key) not in values:
            return number
    return len(items)


def find(items: Any, key: Any, value: Any) -> Any:
    """The first object in a list whose `key` is `value`."""
    if is_array(items):
        for item in items:
            if is_object(item) and equals(item.get(key), value):
                return item
    return None


def numbered(items: Any) -> Any:
    """The objects of a list, each with its place there as `index`."""
    if not is_array(items):
        return None
    return [{**item, "index": place} for place, item in enumerate(items) if is_object(item)]


def floats(vector: Any) -> Any:
    """A vector's numbers; base64 holds them as little-endian 32-bit floats."""
    if type(vector) is not str:
        return vector
    try:
        values = _little_endian(array("f", base64.b64decode(vector, validate=True)))
    except ValueError as error:
        raise TranslationError("this is no vector in base64") from error
    return values.tolist()


def base64_floats(vector: Any) -> Any:
    """The reverse of `floats`."""
    if not is_array(vector):
        return vector
    try:
        return base64.b64encode(_little_endian(array("f", vector))).decode()
    except (TypeError, OverflowError) as error:
        raise TranslationError("a vector holds something that is no number") from error


def _little_endian(values: array[float]) -> array[float]:
    if sys.byteorder == "big":
        values.byteswap()
    return values


def index_by(items: Any, key: Any) -> dict[str, Any]:
    """An object from each item's text at `key` to the item; the first one wins."""
    found: dict[str, Any] = {}
    for item in as_list(items) or ():
        name = item.get(key) if is_object(item) else None
        if type(name) is str:
            found.setdefault(name, item)
    return found


def get(mapping: Any, key: Any) -> Any:
    """A member by a name, or an item by its place, that is only known at run time."""
    if is_array(mapping):
        return mapping[key] if type(key) is int and 0 <= key < len(mapping) else None
    return mapping.get(key) if is_object(mapping) and type(key) is str else None


def items(mapping: Any) -> Any:
    """An object's members as a list of {key, value}."""
    if not is_object(mapping):
        return None
    return [{"key": key, "value": value} for key, value in mapping.items()]


def from_items(pairs: Any) -> Any:
    """The reverse of `items`."""
    if not is_array(pairs):
        return None
    found = [pair for pair in pairs if is_object(pair) and type(pair.get("key")) is str]
    return {pair["key"]: pair.get("value") for pair in found}


def omit(mapping: Any, *keys: Any) -> Any:
    """An object without some members; null when nothing is left."""
    if not is_object(mapping):
        return None
    return {key: value for key, value in mapping.items() if key not in keys} or None


def pick(mapping: Any, *keys: Any) -> Any:
    """An object's named members that are not null; null when there are none."""
    if not is_object(mapping):
        return None
    return {key: mapping[key] for key in keys if mapping.get(key) is not None} or None


def url_source(url: Any) -> Any:
    """Where a picture or file comes from: the parts of a data URL, or the URL itself."""
    if type(url) is not str:
        return None
    match = _DATA_URL.match(url)
    if match is None:
        return {"kind": "url", "url": url}
    data = url[match.end() :]
    if not match[3]:
        return {"kind": "url", "url": url}
    return base64_source(data, match[1])


def base64_source(data: Any, media_type: Any = None) -> Any:
    """A source of base64 data; without a media type it is read from the first bytes."""
    if type(data) is not str:
        return None
    data = standard_base64(data)
    named = media_type if type(media_type) is str and media_type else sniff(data)
    return {"kind": "base64", "media_type": named or "application/octet-stream", "data": data}


def standard_base64(data: str) -> str:
    """In the usual alphabet, with its padding and without white space, as most servers want it.

    Google's library writes the URL-safe alphabet. What is usual already is not copied.
    """
    if not data.isascii():
        return data  # whoever reads it says so
    if "-" in data or "_" in data:
        data = data.translate(_USUAL)
    if len(data) % 4 or any(blank in data for blank in " \n\r\t"):
        data = "".join(data.split()).rstrip("=")
        data += "=" * (-len(data) % 4)
    return data


def source_url(source: Any) -> Any:
    """The reverse of `url_source`: a URL, a data URL where the data is here."""
    if not is_object(source):
        return None
    if source.get("kind") == "base64":
        return f"data:{source.get('media_type')};base64,{source.get('data')}"
    url = source.get("url")
    return url if type(url) is str else None


def sniff(data: Any) -> Any:
    """The media type of base64 data by its first bytes; null when they are not known."""
    if type(data) is not str:
        return None
    try:
        head = base64.b64decode(data[:32])
    except (binascii.Error, ValueError):
        return None
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12])
    return next((name for magic, name in _MAGIC if head.startswith(magic)), None)


def short_id(value: Any, limit: Any) -> Any:
    """An id that is at most `limit` characters long; the same id always becomes the same one."""
    if type(value) is not str or type(limit) is not int:
        return value
    return shortened(value, limit)


def plain_id(value: Any) -> Any:
    """An id of letters, digits, `_` and `-` alone; another one becomes one, always the same."""
    if type(value) is not str or _PLAIN.fullmatch(value):
        return value
    return f"{_NOT_PLAIN.sub('_', value)[:47]}_{digest_of(value, 8)}"


def made_id(prefix: Any, *values: Any) -> str:
    """An id made of the values: the same for the same ones, another for any others."""
    named = "/".join([str(value) for value in values if type(value) in (str, int)])
    return join_text(prefix, _digest(named))


@cached_if_short(1024)
def _digest(text: str) -> str:
    """Kept, as each piece of a streamed block says the block's id again."""
    return digest_of(text, 16)


def iso_time(seconds: Any) -> Any:
    """A Unix time as RFC 3339 writes it, in UTC."""
    if type(seconds) not in (int, float) or not 0 <= seconds < _LAST_TIME_S:
        return None
    return _iso_time(seconds)


@lru_cache(maxsize=64)
def _iso_time(seconds: float) -> str:
    """Kept, as some formats say the time of an answer in each of its frames."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def sha256(text: Any) -> Any:
    """The SHA-256 digest of a text, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest() if type(text) is str else None


def is_blank(text: Any) -> bool:
    """Whether a text holds nothing but white space."""
    return type(text) is str and not text.strip()


def at_most(tree: Any, key: Any, count: Any) -> Any:
    """A copy of a tree in which only the last `count` occurrences of the member `key` are left."""
    total = _count(tree, key)
    if type(count) is not int or total <= count:
        return tree
    return _thinned(tree, key, [total - count])


def _count(tree: Any, key: str) -> int:
    if is_object(tree):
        return (key in tree) + sum(_count(value, key) for value in tree.values())
    if is_array(tree):
        return sum(_count(value, key) for value in tree)
    return 0


def _thinned(tree: Any, key: str, surplus: list[int]) -> Any:
    if is_array(tree):
        return [_thinned(value, key, surplus) for value in tree]
    if not is_object(tree):
        return tree
    kept: dict[str, Any] = {}
    for name, value in tree.items():
        if name == key and surplus[0]:
            surplus[0] -= 1
        else:
            kept[name] = _thinned(value, key, surplus)
    return kept


def camel_keys(value: Any, *opaque: Any) -> Any:
    """A tree whose members are all named in camelCase; what stands under `opaque` names is kept.

    The names of `properties` are an application's own, and kept too. Most bodies need no new name,
    and come back as they are.
    """
    return value if _is_camel(value, opaque) else _renamed(value, opaque)


def _is_camel(tree: Any, opaque: tuple[Any, ...]) -> bool:
    waiting: list[Any] = [tree]
    while waiting:
        node = waiting.pop()
        if is_array(node):
            waiting.extend(node)
        for key, inner in node.items() if is_object(node) else ():
            if "_" in key:
                return False
            if type(inner) in _TREES and key not in opaque:
                if key == "properties" and is_object(inner):
                    waiting.extend(inner.values())
                else:
                    waiting.append(inner)
    return True


def _renamed(value: Any, opaque: tuple[Any, ...]) -> Any:
    if is_array(value):
        return [_renamed(item, opaque) for item in value]
    if not is_object(value):
        return value
    renamed: dict[str, Any] = {}
    for key, inner in value.items():
        name = _SNAKE.sub(lambda match: match[1].upper(), key)
        if name == "properties" and is_object(inner):
            renamed[name] = {own: _renamed(one, opaque) for own, one in inner.items()}
        else:
            renamed[name] = inner if name in opaque else _renamed(inner, opaque)
    return renamed


def seal(value: Any) -> Any:
    """Any JSON as base64, for a field of bytes: `unseal` tells it from other bytes there."""
    return None if value is None else base64.b64encode(_SEAL + write_json(value)).decode()


def unseal(text: Any) -> Any:
    """What `seal` wrote, in either alphabet of base64; null for anything else."""
    if type(text) is not str:
        return None
    try:
        data = base64.urlsafe_b64decode(text.translate(_URL_SAFE) + "=" * (-len(text) % 4))
        return read_json(data.removeprefix(_SEAL)) if data.startswith(_SEAL) else None
    except ValueError:
        return None


def url_type(url: Any) -> Any:
    """The media type that a URL's ending tells; null when it tells none that is known."""
    if type(url) is not str:
        return None
    name = url.partition("?")[0].partition("#")[0].lower()
    return next((kind for ending, kind in _ENDINGS if name.endswith(ending)), None)


FUNCTIONS: Final[Mapping[str, Function]] = {
    **BUILTINS,
    "after": after,
    "allows_more": allows_more,
    "as_list": as_list,
    "at_most": at_most,
    "base64_floats": base64_floats,
    "base64_source": base64_source,
    "before": before,
    "call_key": call_key,
    "camel_keys": camel_keys,
    "clamp": clamp,
    "closed_schema": closed_schema,
    "collapse": collapse,
    "concat": concat,
    "find": find,
    "error_place": error_place,
    "error_words": error_words,
    "fit_id": fit_id,
    "fit_name": fit_name,
    "floats": floats,
    "from_items": from_items,
    "get": get,
    "index_by": index_by,
    "is_blank": is_blank,
    "is_fitted": is_fitted,
    "iso_time": iso_time,
    "items": items,
    "join_blocks": join_blocks,
    "join_pieces": join_pieces,
    "join_text": join_text,
    "lines_of": lines_of,
    "link_calls": link_calls,
    "made_id": made_id,
    "minus": minus,
    "numbered": numbered,
    "omit": omit,
    "own_name": own_name,
    "parse_json": parse_json,
    "parse_lines": parse_lines,
    "parse_object": parse_object,
    "parts": parts,
    "pick": pick,
    "plain_id": plain_id,
    "plain_schema": plain_schema,
    "plain_text": plain_text,
    "plus": plus,
    "requires_all": requires_all,
    "scaled": scaled,
    "schema_subset": schema_subset,
    "seal": seal,
    "sha256": sha256,
    "short_id": short_id,
    "skip_while": skip_while,
    "sniff": sniff,
    "source_url": source_url,
    "split_text": split_text,
    "subtitles": subtitles,
    "take": take,
    "take_while": take_while,
    "to_json": to_json,
    "unseal": unseal,
    "url_source": url_source,
    "url_type": url_type,
}
