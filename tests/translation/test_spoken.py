"""Lines and subtitles of what was said."""

from __future__ import annotations

from typing import Any

from omniroute.translation.spoken import MAX_LINE, lines_of, subtitles

LINES: list[Any] = [
    {"start": 0, "end": 1.2345, "text": " Hi -->\n\nyou "},
    {"start": 3661.5, "end": None, "text": None},
    "no line",
]


def word(text: str, start: float, **more: Any) -> dict[str, Any]:
    return {"word": text, "start": start, "end": start + 0.5, **more}


def test_subtitles() -> None:
    assert subtitles(LINES, "srt") == (
        "1\n00:00:00,000 --> 00:00:01,234\nHi -> you\n\n2\n01:01:01,500 --> 00:00:00,000\n\n\n"
    )
    assert subtitles(LINES[:1], "vtt") == ("WEBVTT\n\n00:00:00.000 --> 00:00:01.234\nHi -> you\n\n")
    assert subtitles(None, "vtt") is None


def test_lines_end_with_sentences_pauses_and_speakers() -> None:
    words = [
        *(word("Good", 0), word("day.", 0.5), word("How", 1), word("now", 4)),
        *(word("you", 4.5, speaker="B"), "no word"),
    ]
    assert lines_of(words) == [
        {"id": 0, "start": 0, "end": 1.0, "text": "Good day."},
        {"id": 1, "start": 1, "end": 1.5, "text": "How"},
        {"id": 2, "start": 4, "end": 4.5, "text": "now"},
        {"id": 3, "start": 4.5, "end": 5.0, "speaker": "B", "text": "you"},
    ]
    assert lines_of("no words") is None


def test_a_line_that_does_not_end_is_cut() -> None:
    found = lines_of([word("a" * 9, at * 0.5) for at in range(100)])
    assert found is not None
    assert max(len(one["text"]) for one in found) <= MAX_LINE + 10
    assert len(found) > 5
