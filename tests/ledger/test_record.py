from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.ledger.record import MAX_ITEMS, MAX_TEXT_CHARS, parse_line, render_line
from tests.ledger.rows import NOON, row


def test_a_record_survives_its_line() -> None:
    line = render_line(row())
    assert line.endswith(b"\n")
    assert parse_line(line[:-1]) == row()


@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=50))
def test_any_text_is_one_line(text: str) -> None:
    record = row(requested_model=text, tags={text: text}, error_message=text, dropped=(text,))
    line = render_line(record)
    assert line.count(b"\n") == 1
    parsed = parse_line(line[:-1])
    assert parsed.requested_model == text.encode("utf-8", "replace").decode()


def test_what_a_client_sends_cannot_blow_up_a_row() -> None:
    parsed = parse_line(
        render_line(
            row(
                requested_model="m" * 1_000_000,
                dropped=tuple(f"f{n}" for n in range(10_000)),
                tags={f"t{n}": "x" for n in range(1000)},
                attempts=row().attempts * 500,
            )
        ).rstrip()
    )
    assert parsed.requested_model == "m" * (MAX_TEXT_CHARS - 1) + "…"
    assert len(parsed.dropped) == len(parsed.tags) == len(parsed.attempts) == MAX_ITEMS


def test_names_that_a_client_chooses_cannot_blow_up_a_row() -> None:
    long = "x" * 1_000_000
    line = render_line(row(dropped=(long, "\ud800" + long), tags={long: long}, session=long))
    assert len(line) < 10 * MAX_TEXT_CHARS
    parsed = parse_line(line.rstrip())
    cut = "x" * (MAX_TEXT_CHARS - 1) + "…"
    assert parsed.dropped[0] == parsed.session == cut
    assert parsed.tags == {cut: cut}


def test_unknown_stays_unknown() -> None:
    record = row(output=None, cost_nanousd=None, provider=None, attempts=())
    assert parse_line(render_line(record).rstrip()) == record


@pytest.mark.parametrize(
    "torn", [b"", b'{"request_id":"a', b"null", b'{"request_id":"a"}', b"\xff"]
)
def test_a_torn_line_says_so(torn: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_line(torn)


def test_fields_of_a_newer_version_are_ignored() -> None:
    line = render_line(row()).rstrip()
    assert parse_line(line[:-1] + b',"added_later":{"a":[1]}}') == row()


def test_time_keeps_microseconds_and_zone() -> None:
    assert b'"time":"2026-11-24T12:00:00.250000Z"' in render_line(row(time=NOON))
