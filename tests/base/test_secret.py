"""Secrets in foreign words: found however they are spelled, and nothing else is touched."""

from __future__ import annotations

import html
import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.base.secret import MASK, Redactor, Secret

KEY = 'sk-lab/7h3+k3y="\\é&<x>: 0123456789'


def redact(text: str, *secrets: str) -> str:
    return Redactor(map(Secret, secrets))(text)


SPELLINGS = {
    "plain": KEY,
    "upper case": KEY.upper(),
    "JSON": json.dumps(KEY)[1:-1],
    "JSON, not only ASCII": json.dumps(KEY, ensure_ascii=False)[1:-1],
    "JSON in JSON": json.dumps(json.dumps(KEY)[1:-1])[1:-1],
    "JSON with escaped slashes": json.dumps(KEY)[1:-1].replace("/", "\\/"),
    "JSON for HTML": json.dumps(KEY)[1:-1].replace("&", "\\u0026").replace("<", "\\u003C"),
    "percent": quote(KEY, safe=""),
    "percent, in lower case": quote(KEY, safe="").lower(),
    "percent, twice": quote(quote(KEY, safe=""), safe=""),
    "percent, as in a path": quote(KEY),
    "a form": quote_plus(KEY),
    "HTML": html.escape(KEY),
    "HTML by numbers": "".join(c if c.isalnum() else f"&#{ord(c)};" for c in KEY),
}


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_a_secret_is_found_in_every_spelling(spelling: str) -> None:
    assert redact(f"no key like {spelling}, sorry", KEY) == f"no key like {MASK}, sorry"


@pytest.mark.parametrize("user", ["", "u", "us", "use"])
@pytest.mark.parametrize("encode", [b64encode, urlsafe_b64encode])
def test_a_secret_is_found_inside_base64(user: str, encode: Callable[[bytes], bytes]) -> None:
    said = encode(f"{user}:{KEY}".encode()).decode()
    left = redact(f"Basic {said}", KEY)
    assert MASK in left
    assert len(left) < 20  # what is left is the user, and bits of the secret's ends


@given(st.text(min_size=8, max_size=60), st.text(max_size=20), st.text(max_size=20))
def test_nothing_is_left_of_any_secret(secret: str, before: str, after: str) -> None:
    for spelled in (secret, json.dumps(secret)[1:-1], quote(secret, safe="")):
        assert MASK in redact(f"{before}{spelled}{after}", secret)


@pytest.mark.parametrize(
    ("value", "text", "shown"),
    [
        ("Bearer k-1234567", "the header Bearer k-1234567", "the header ***"),
        ("Bearer k-1234567", "the key k-1234567", "the key ***"),
        ("session=abcdefgh1; other=x", "cookie abcdefgh1", "cookie ***"),
        ("http://u:pass-word@proxy:8080", "407 for pass-word", "407 for ***"),
        ("http://u:p%40ssword@proxy:8080", "407 for p@ssword", "407 for ***"),
        ("http://u:pass@proxy", "u:pass is unknown", "*** is unknown"),
        ("https://h.example/x?token=t0ken", "no token t0ken", "no token ***"),
        ("https://h.example/T0/0123456789abcdef", "no 0123456789abcdef", "no ***"),
        ("https://h.example/T0", "see https://h.example/doc", "see https://h.example/doc"),
    ],
)
def test_the_parts_of_a_value_are_secrets_too(value: str, text: str, shown: str) -> None:
    assert redact(text, value) == shown


@pytest.mark.parametrize("kept", range(len(KEY)))
def test_a_text_that_was_cut_gives_no_more_than_the_beginning(kept: int) -> None:
    key = "sk-0123456789-abcdefgh-ijklmnop"
    for text in (f"your key is {key[:kept]}", f"your key is {key[:kept]}..., which is wrong"):
        shown = redact(text, key)
        assert key[:12] not in shown
        assert kept >= 12 or shown == text


def test_short_secrets_are_words_of_their_own() -> None:
    assert redact("ollama, or my-ollama", "ollama") == "***, or my-***"
    assert redact("ollamas and a_ollama", "ollama") == "ollamas and a_ollama"
    assert redact("a key", "a") == "a key"
    assert redact("text", "") == "text"


def test_words_that_begin_like_a_secret_are_kept() -> None:
    assert redact("the application/xml", "application/json") == "the application/xml"


def test_the_longest_comes_first() -> None:
    assert redact("k-1234567-more", "k-1234567", "k-1234567-more") == MASK
