"""What was said and when: lines out of words, and subtitles out of lines, whatever the format.

A line is {`start`, `end`, `text`}, a word {`start`, `end`, `word`}; times are seconds.
"""

from __future__ import annotations

from typing import Any, Final

from omniroute.translation.shape import is_array, is_object

_ENDS: Final = (".", "!", "?", "…", "。", "\uff01", "\uff1f")
MAX_LINE: Final = 160
"""Characters after which a line ends with its word, wherever it is: two rows of a subtitle."""
PAUSE_S: Final = 2.0
"""A silence after which somebody says something else."""


def subtitles(lines: Any, kind: Any) -> str | None:
    """SubRip for `srt`, else WebVTT (https://www.w3.org/TR/webvtt1/)."""
    if not is_array(lines):
        return None
    is_srt = kind == "srt"
    cues: list[str] = []
    for line in lines:
        if is_object(line):
            number = f"{len(cues) + 1}\n" if is_srt else ""
            mark = "," if is_srt else "."
            start, end = (_clock(line.get(name), mark) for name in ("start", "end"))
            # A blank line would end the cue, and an arrow be taken for its times.
            text = " ".join(str(line.get("text") or "").split()).replace("-->", "->")
            cues.append(f"{number}{start} --> {end}\n{text}\n\n")
    return ("" if is_srt else "WEBVTT\n\n") + "".join(cues)


def lines_of(words: Any) -> list[dict[str, Any]] | None:
    """Words put together until a sentence ends, somebody pauses, another speaks, or it is long."""
    if not is_array(words):
        return None
    lines: list[dict[str, Any]] = []
    for word in words:
        if not is_object(word):
            continue
        text = str(word.get("word") or "")
        line = lines[-1] if lines else None
        if line is None or _is_done(line, word):
            kept = {name: word[name] for name in ("start", "end", "speaker") if name in word}
            lines.append({**kept, "text": text})
        else:
            line["text"] += f" {text}"
            line["end"] = word.get("end")
    return [{"id": place, **line} for place, line in enumerate(lines)]


def _is_done(line: dict[str, Any], word: dict[str, Any]) -> bool:
    text: str = line["text"]
    pause = _seconds(word.get("start")) - _seconds(line.get("end"))
    other = line.get("speaker") != word.get("speaker")
    return other or text.endswith(_ENDS) or len(text) >= MAX_LINE or pause >= PAUSE_S


def _seconds(value: Any) -> float:
    return float(value) if type(value) in (int, float) else 0.0


def _clock(value: Any, mark: str) -> str:
    """Hours, minutes, seconds and, behind `mark`, milliseconds."""
    left, ms = divmod(round(max(0.0, _seconds(value)) * 1000), 1000)
    left, seconds = divmod(left, 60)
    hours, minutes = divmod(left, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{mark}{ms:03}"
