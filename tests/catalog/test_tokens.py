from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.catalog.tokens import MEDIA_TOKENS, estimate_request, estimate_tokens


class Case(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    text: str
    tokens: int


CASES = msgspec.yaml.decode(
    (Path(__file__).parents[1] / "golden" / "catalog" / "tokens.yaml").read_bytes(),
    type=list[Case],
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_estimate_is_near_a_real_tokenizers_count(case: Case) -> None:
    """Scripts that vocabularies differ about may be over, by up to this much; never far under."""
    assert 0.75 <= estimate_tokens(case.text) / case.tokens <= 2.4


@pytest.mark.parametrize("name", ["English", "German", "Python", "CSV", "Chinese"])
def test_the_common_cases_are_within_a_third(name: str) -> None:
    case = next(case for case in CASES if case.name == name)
    assert estimate_tokens(case.text) == pytest.approx(case.tokens, rel=0.33)


def test_nothing_is_nothing_and_something_is_something() -> None:
    assert estimate_tokens("") == 0
    assert estimate_tokens(" ") == 1
    assert estimate_request({}) == estimate_request([]) == estimate_request(None) == 0


@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=200))
def test_any_text_has_a_sane_estimate(text: str) -> None:
    assert 0 <= estimate_tokens(text) <= 3 * len(text) + 1


def test_a_long_text_is_sampled_to_about_the_same() -> None:
    text = " ".join(case.text for case in CASES)
    repeated = text * 60
    assert estimate_tokens(repeated) == pytest.approx(60 * estimate_tokens(text), rel=0.1)


def test_a_request_counts_its_texts_and_keys() -> None:
    question = next(case.text for case in CASES if case.name == "English")
    body = {"model": "gpt-5", "messages": [{"role": "user", "content": question}], "n": 1}
    bare = estimate_tokens(question)
    assert bare < estimate_request(body) <= bare + 15


@pytest.mark.parametrize(
    "media", ["data:image/png;base64,iVBORw0KGgo=", "iVBORw0KGgoAAAAN" * 50_000]
)
def test_media_is_not_text(media: str) -> None:
    assert estimate_request({"image_url": {"url": media}}) == MEDIA_TOKENS + 2


def test_a_deep_body_does_not_exhaust_the_stack() -> None:
    body: list[object] = []
    for _ in range(100_000):
        body = [body]
    assert estimate_request(body) == 0
