"""What in a configuration's files is a secret: one rule for all that is shown or logged of them.

Known by where it stands (a field or a header meant for credentials, a password in a URL) or by how
it looks (a vendor's key, letters and digits thrown together in any header). References are none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import urlsplit

from omniroute.base.secret import MASK, Redactor, Secret
from omniroute.config.diagnostics import Path
from omniroute.config.refs import EnvRef, RefSyntaxError, has_refs, parse_refs
from omniroute.config.yamltree import Map, Scalar, find, texts, walk

Mask = Callable[[str], str]

# Beginnings that vendors give to their credentials; long enough tails not to hit ordinary words.
RECOGNISED: Final = re.compile(
    r"(?<![A-Za-z0-9])(?:sk-[A-Za-z0-9_-]{16,}|AIza[A-Za-z0-9_-]{30,}|gsk_[A-Za-z0-9]{20,}"
    r"|xai-[A-Za-z0-9]{20,}|hf_[A-Za-z0-9]{20,}|r8_[A-Za-z0-9]{20,}|AKIA[A-Z0-9]{16}"
    r"|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}"
    r"|omr_[A-Za-z0-9_-]{20,}|pplx-[A-Za-z0-9]{20,}|eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,})"
)
_NAMED: Final = re.compile(
    r"(?:^|[-_])(?:auth\w*|(?:api)?key|\w*token|\w*secret|pass\w*|pwd|credentials?|cookie|jwt)(?:$|[-_])",
    re.IGNORECASE,
)
"""Names of headers that carry credentials."""
_THROWN_TOGETHER: Final = re.compile(
    r"(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z\d]{6,}|[A-Za-z\d+/=]{20,}"
)
"""No word and no number, or too long for one."""
_USER_INFO: Final = re.compile(r"(?<=://)(?:[^\s/?#@\"':]*:[^\s@\"']+|[^\s/?#@\"']+)(?=@)")
_QUERY: Final = re.compile(r"(?<=[?&])([\w-]+=)([^\s&#\"'}]+)")
_ENTRY: Final = re.compile(r"([\w-]+)[\"']?\s*:\s+\[?[\"']?([^,\"'{}\[\]\n]{6,})")
_PLAIN: Final = re.compile(r"true|false|null|[\d.:/-]+\w{0,3}", re.IGNORECASE)
_PASSWORD_HASH: Final = re.compile(r"\$argon2\w*\$[\w+/=,$-]+")
_MIN_KEY: Final = 8  # shorter ones are dummies such as "ollama"; masking them blurs the output


class FileMask:
    """Takes the secrets of some files out of a text, wherever it is shown."""

    def __init__(self, root: Map | None = None, unread: tuple[str, ...] = ()) -> None:
        """`unread` are texts of which no tree could be made: lines are all that there is."""
        found = set[str]() if root is None else set(_in_tree(root))
        for text in unread:
            found.update(_in_text(text))
        self._redact = Redactor(Secret(text) for text in found)

    def __call__(self, text: str) -> str:
        text = RECOGNISED.sub(lambda match: match[0][:4] + "…", self._redact(text))
        text = _USER_INFO.sub(_user_info, _PASSWORD_HASH.sub(MASK, text))
        return _QUERY.sub(_query, text)


def credentials(root: Map) -> Iterator[tuple[Path, Scalar, tuple[str, ...]]]:
    """Fields and headers that are meant for credentials, each with what of it is spelled out."""
    for path, node in _fields(root):
        header = _header(path)
        if path[-1] in ("api_key", "proxy") or (header is not None and _NAMED.search(header)):
            yield path, node, _spelled_out(path, str(node.value))


def password_hashes(root: Map) -> Iterator[tuple[Path, Scalar]]:
    """Fields for the hash of a password, in which somebody may have put the password."""
    for name in ("password_hash", "viewer_password_hash"):
        path = ("auth", "dashboard", name)
        node = find(root, path)
        if isinstance(node, Scalar) and isinstance(node.value, str):
            yield path, node


def _header(path: Path) -> str | None:
    """The name of the header whose value, or a part of it, stands at `path`."""
    names = iter(path)
    return str(next(names, None)) if "headers" in names else None


def _fields(root: Map) -> Iterator[tuple[Path, Scalar]]:
    for section in ("providers", "settings"):
        start = root.get(section)
        for path, _mark, node in walk(start, (section,)) if start is not None else ():
            if isinstance(node, Scalar) and isinstance(node.value, str) and len(path) >= 2:
                yield path, node


def _in_tree(root: Map) -> Iterator[str]:
    for path, _node, literals in credentials(root):
        yield from (text for text in literals if path[-1] != "api_key" or len(text) >= _MIN_KEY)
    for path, node in _fields(root):
        text = str(node.value)
        if _header(path) and not has_refs(text) and _THROWN_TOGETHER.search(text):
            yield text
    for _path, node in password_hashes(root):
        if not has_refs(text := str(node.value)):
            yield text
    for text in texts(root):
        yield from (match[0] for match in RECOGNISED.finditer(text))
        yield from (found for match in _USER_INFO.finditer(text) if (found := _password_of(match)))


def _in_text(text: str) -> Iterator[str]:
    for name, value in _ENTRY.findall(text):
        if _NAMED.search(name) and not has_refs(value) and not _PLAIN.fullmatch(value):
            yield value


def _password_of(match: re.Match[str]) -> str | None:
    """What of a URL's user and password is a secret: the password, or a user without one."""
    user, colon, password = match[0].partition(":")
    secret = password if colon else user
    return None if _is_reference(secret) else secret


def _user_info(match: re.Match[str]) -> str:
    user, colon, _ = match[0].partition(":")
    if _password_of(match) is None:
        return match[0]
    return f"{user}:{MASK}" if colon else MASK


def _query(match: re.Match[str]) -> str:
    name, value = match[1], match[2]
    return f"{name}{MASK}" if _NAMED.search(name[:-1]) and not _is_reference(value) else match[0]


def _is_reference(text: str) -> bool:
    """Whether a text holds references alone, none of them with a default."""
    try:
        parts = parse_refs(text)
    except RefSyntaxError:
        return False
    return all(not isinstance(part, str) and not _default(part) for part in parts)


def _default(part: object) -> str | None:
    return part.default if isinstance(part, EnvRef) else None


def _spelled_out(path: Path, text: str) -> tuple[str, ...]:
    """What of a credential field is spelled out: nothing for a reference, of a URL its password."""
    if path[-1] == "proxy":
        password = _password(text)
        return (password,) if password and not has_refs(password) else ()
    try:
        parts = parse_refs(text)
    except RefSyntaxError:
        return ()
    if all(isinstance(part, str) for part in parts):
        return (text,)
    return tuple(default for part in parts if (default := _default(part)))


def _password(url: str) -> str | None:
    try:
        return urlsplit(url).password
    except ValueError:
        return None
