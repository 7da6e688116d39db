"""Secret references: what is one, and what stands behind it."""

from __future__ import annotations

import pytest

from omniroute.config.model import Ref
from omniroute.config.refs import (
    EnvRef,
    FileRef,
    MissingSecretError,
    Part,
    RefSyntaxError,
    has_refs,
    parse_refs,
    resolve,
)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("plain", ("plain",)),
        ("", ()),
        ("${env:A}", (EnvRef("A"),)),
        ("${env:A:-}", (EnvRef("A", ""),)),
        ("${env:A:-b:-c}", (EnvRef("A", "b:-c"),)),
        ("${file:/run/x y}", (FileRef("/run/x y"),)),
        ("Bearer ${env:A}!", ("Bearer ", EnvRef("A"), "!")),
        ("socks5://u:${env:P}@h:1", ("socks5://u:", EnvRef("P"), "@h:1")),
        ("$${env:A}", ("${", "env:A}")),
        ("$5 {x}", ("$5 {x}",)),
    ],
)
def test_parts(text: str, parts: tuple[Part, ...]) -> None:
    assert parse_refs(text) == parts


@pytest.mark.parametrize(
    ("text", "offset"),
    [("${A}", 0), ("x${env:}", 1), ("${env:1A}", 0), ("${file:}", 0), ("a${env:A", 1), ("${}", 0)],
)
def test_malformed_references_say_where(text: str, offset: int) -> None:
    with pytest.raises(RefSyntaxError) as caught:
        parse_refs(text)
    assert caught.value.offset == offset
    assert has_refs(text)


FILES = {"/etc/omni/key": b"from file\n", "/etc/omni/empty": b"\n", "/etc/omni/bin": b"\xff"}


def read_file(path: str) -> bytes:
    try:
        return FILES[path]
    except KeyError:
        raise FileNotFoundError(2, "No such file or directory") from None


def value(text: str, env: dict[str, str]) -> str:
    return resolve(Ref(text, "/etc/omni"), env=env.get, read_file=read_file).text.reveal()


def test_values_come_from_environment_and_files() -> None:
    env = {"A": "1", "EMPTY": "", "BLANK": " \n", "MOUNTED": "\ttwo words\r\n"}
    assert value("x${env:A}y", env) == "x1y"
    assert value("${env:B:-two}", env) == "two"
    assert value("${env:EMPTY:-two}", env) == "two"
    assert value("${env:BLANK:-two}", env) == "two"
    assert value("Bearer ${env:MOUNTED}", env) == "Bearer two words"
    assert value("${env:B:-}", env) == ""
    assert value("${file:/etc/omni/key}", env) == "from file"
    assert value("${file:key}", env) == "from file"
    assert value("$${env:A}", env) == "${env:A}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${env:GONE}", "the environment variable GONE is not set"),
        ("${env:EMPTY}", "the environment variable EMPTY is not set"),
        ("${file:gone}", "the file /etc/omni/gone: No such file or directory"),
        ("${file:empty}", "the file /etc/omni/empty is empty"),
        ("${file:bin}", "the file /etc/omni/bin is not UTF-8 text"),
    ],
)
def test_what_is_missing_is_named(text: str, message: str) -> None:
    with pytest.raises(MissingSecretError, match=message):
        value(text, {"EMPTY": ""})
