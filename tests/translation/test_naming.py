"""Whatever a model is called, a provider's path stays the one of its table."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.base.dots import has_dot_segment
from omniroute.errors import TranslationError
from omniroute.translation.naming import check_model, path_with

PATH = "/v1beta/models/{model}:generateContent"
PIECES = st.sampled_from(
    [
        "..",
        ".",
        "/",
        "\\",
        "%2e",
        "%2E%2e",
        "%252e",
        "%2f",
        "%5c",
        "?",
        "#",
        "\r\n",
        "\0",
        ":",
        "a",
        "é",
    ]
)


@given(st.lists(PIECES, min_size=1, max_size=8).map("".join) | st.text(min_size=1))
def test_a_path_with_any_name_is_the_tables_own_or_refused(name: str) -> None:
    try:
        made = path_with(PATH, name)
    except TranslationError:
        return
    assert unquote(made) == PATH.replace("{model}", name)
    assert not has_dot_segment(made)
    assert made.isascii()
    assert made.isprintable()
    assert not any(character in made for character in "?#\\ ")


@pytest.mark.parametrize(
    "name", ["gpt-4.1", "hf.co/unsloth/x.gguf:Q4_K_M", "@cf/meta/llama", "accounts/x#deployments/y"]
)
def test_names_that_models_have_pass(name: str) -> None:
    check_model(name)
    assert path_with("/chat", name) == "/chat"
