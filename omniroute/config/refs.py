"""Secret references in text: `${env:NAME}`, `${env:NAME:-default}`, `${file:/path}`.

Checking reads the syntax alone. `resolve` looks values up, through what it is given, when a
snapshot is activated. A reference may stand inside longer text, as in a proxy URL. `$${` is a
literal `${`.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from omniroute.base.secret import Secret
from omniroute.config.model import Ref

_TOKEN: Final = re.compile(r"\$\$\{|\$\{([^}]*)(\}?)")
_ENV: Final = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)
MAX_SECRET_BYTES: Final = 64 << 10  # a key or a certificate; more is the wrong file


class EnvRef(Struct, frozen=True):
    name: str
    default: str | None = None


class FileRef(Struct, frozen=True):
    path: str


Part = str | EnvRef | FileRef


class RefSyntaxError(ValueError):
    """A reference is malformed; `offset` is where in the text it begins."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


class MissingSecretError(ValueError):
    """A reference names what is not there; the message names the variable or file, no value."""


def parse_refs(text: str) -> tuple[Part, ...]:
    """Literal pieces and references in order; RefSyntaxError when one is malformed."""
    parts: list[Part] = []
    position = 0
    for token in _TOKEN.finditer(text):
        if token.start() > position:
            parts.append(text[position : token.start()])
        position = token.end()
        parts.append("${" if token[0] == "$${" else _parse_one(token))
    if position < len(text):
        parts.append(text[position:])
    return tuple(parts)


def has_refs(text: str) -> bool:
    """Whether the text holds a reference, well-formed or not."""
    return any(token[0] != "$${" for token in _TOKEN.finditer(text))


class ResolvedRef(Struct, frozen=True):
    """What stands behind a `Ref`: the whole text, and the values of its references alone."""

    text: Secret
    values: tuple[Secret, ...]


def resolve(
    ref: Ref, *, env: Callable[[str], str | None], read_file: Callable[[str], bytes]
) -> ResolvedRef:
    """The value behind `ref`; MissingSecretError when a variable or file is missing or empty.

    A variable that is set but empty counts as unset, as in a shell's `:-`. White space around a
    value is dropped: editors, mounted secrets and copied lines add it, and no credential has any.
    """
    parts = parse_refs(ref.text)
    found = [_look_up(part, ref, env, read_file) for part in parts]
    return ResolvedRef(
        text=Secret("".join(found)),
        values=tuple(
            Secret(value)
            for part, value in zip(parts, found, strict=True)
            if not isinstance(part, str)
        ),
    )


def _parse_one(token: re.Match[str]) -> EnvRef | FileRef:
    shown, inner = token[0], token[1]
    if not token[2]:
        raise RefSyntaxError(f"the reference {shown!r} has no closing brace", token.start())
    env = _ENV.fullmatch(inner)
    if env is not None:
        return EnvRef(env[1], env[2])
    if inner.startswith("file:") and len(inner) > len("file:"):
        return FileRef(inner.removeprefix("file:"))
    raise RefSyntaxError(f"{shown} is not a reference", token.start())


def _look_up(
    part: Part,
    ref: Ref,
    env: Callable[[str], str | None],
    read_file: Callable[[str], bytes],
) -> str:
    match part:
        case str():
            return part
        case EnvRef():
            value = (env(part.name) or "").strip() or part.default
            if value is None:
                raise MissingSecretError(f"the environment variable {part.name} is not set")
            return value
        case FileRef():
            path = posixpath.join(ref.base_dir, part.path)
            try:
                data = read_file(path)
            except OSError as why:
                reason = why.strerror or "cannot be read"
                raise MissingSecretError(f"the file {path}: {reason}") from None
            if len(data) > MAX_SECRET_BYTES:
                raise MissingSecretError(f"the file {path} is too large for a secret")
            try:
                value = data.decode().strip()
            except UnicodeDecodeError:
                raise MissingSecretError(f"the file {path} is not UTF-8 text") from None
            if not value:
                raise MissingSecretError(f"the file {path} is empty")
            return value
