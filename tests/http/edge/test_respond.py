"""The head of an answer as it goes out: Sanic's, only cheaper."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from omniroute.http.edge.insides import HttpAnswer
from omniroute.http.edge.respond import whole

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def head(answer: HttpAnswer) -> dict[bytes, bytes]:
    return dict(answer.processed_headers)


def test_what_we_say_goes_out_as_it_is() -> None:
    answer = whole(200, {"X-OmniRoute-Model": "openai/gpt-5 ü"}, b"{}")
    answer.headers["content-length"] = 2
    assert isinstance(answer, HttpAnswer)
    assert head(answer) == {
        b"X-OmniRoute-Model": "openai/gpt-5 ü".encode(),
        b"content-length": b"2",
        b"content-type": b"application/json",
    }


def test_an_answer_without_a_body_has_no_type() -> None:
    assert head(HttpAnswer(status=204, headers={})) == {}


@given(name=st.from_regex(r"[A-Za-z\r\n\0-]+", fullmatch=True), value=TEXT)
def test_no_text_breaks_out_of_its_line(name: str, value: str) -> None:
    for part in (
        part for pair in HttpAnswer(headers={name: value}).processed_headers for part in pair
    ):
        assert not set(part) & set(b"\r\n\0")
