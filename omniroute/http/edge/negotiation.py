"""Which of an answer's types a client prefers (RFC 9110, 12.5.1)."""

from __future__ import annotations

from collections.abc import Sequence


def preferred(accept: str | None, offered: Sequence[str]) -> str:
    """The offered type with the highest weight, the first one of equals and where none is wanted:
    an answer that nobody asked for in that type tells more than a refusal."""
    weights = dict(map(_weighed, (accept or "").split(",")))

    def weight(kind: str) -> float:
        ranges = (kind, f"{kind.split('/')[0]}/*", "*/*")
        return next((weights[one] for one in ranges if one in weights), 0.0)

    return max(offered, key=weight)


def _weighed(part: str) -> tuple[str, float]:
    kind, *parameters = (text.strip().lower() for text in part.split(";"))
    quality = next((text[2:] for text in parameters if text.startswith("q=")), "1")
    try:
        return kind, float(quality)
    except ValueError:
        return kind, 0.0
