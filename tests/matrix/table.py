"""The matrix as a page of the documentation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tests.matrix.features import FEATURES, GAPS
from tests.sdk.all import SDKS

Cell = tuple[str, str, str]
"""Client, provider, feature."""

_HEAD = """# Which formats go together

Every official SDK (`openai` for chat and for responses, `anthropic`, `google-genai`, `ollama`)
against a provider of every format, through a running gateway. The providers are test servers that
check what arrives as strictly as the real APIs do; each cell is tested whole and streamed where
both make sense. `python -m tests.matrix` runs it all and prints this table.

✓ works · ✗ does not work yet · a number: cannot be, for the reason below
"""


def render(cells: Mapping[Cell, str | None], formats: Iterable[str] = tuple(SDKS)) -> str:
    """The page; `cells` names what failed, a cell that is not in it is as expected."""
    reasons: list[str] = []
    lines = [_HEAD]
    lines.append("| client → provider | " + " | ".join(one.title for one in FEATURES) + " |")
    lines.append("|---|" + "---|" * len(FEATURES))
    formats = tuple(formats)
    for client in formats:
        for upstream in formats:
            marks: list[str] = []
            for feature in FEATURES:
                cell = (client, upstream, feature.name)
                reason = feature.lacks(client, upstream)
                if reason is None:
                    marks.append("✗" if cells.get(cell, GAPS.get(cell)) else "✓")
                    continue
                if reason not in reasons:
                    reasons.append(reason)
                marks.append(str(reasons.index(reason) + 1))
            lines.append(f"| {client} → {upstream} | " + " | ".join(marks) + " |")
    gaps = [f"{a} → {b}, {name}: {why}" for (a, b, name), why in GAPS.items()]
    lines += ["", *(f"{at}. {reason}" for at, reason in enumerate(reasons, 1))]
    if gaps:
        lines += ["", "✗ " + "; ".join(gaps)]
    return "\n".join(lines) + "\n"
