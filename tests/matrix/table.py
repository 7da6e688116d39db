"""The matrix as a page of the documentation."""

from __future__ import annotations

from collections.abc import Mapping

from tests.matrix.features import FEATURES
from tests.sdk.all import SDKS

Cell = tuple[str, str, str]
"""Client, provider, feature."""

_HEAD = """# Which formats go together

Every official SDK (`openai` for chat and for responses, `anthropic`, `google-genai`, `ollama`)
against a provider of every format, through a running gateway. The providers are test servers that
check what arrives as strictly as the real APIs do; each cell is tested whole and streamed where
both make sense. `python -m tests.matrix` runs it all and prints this table.

✓ works · a number: cannot be, for the reason below
"""


def render(cells: Mapping[Cell, str | None]) -> str:
    """The page; `cells` names what failed, a cell that is not in it is taken to be fine."""
    reasons: list[str] = []
    lines = [_HEAD]
    lines.append("| client → provider | " + " | ".join(one.title for one in FEATURES) + " |")
    lines.append("|---|" + "---|" * len(FEATURES))
    for client in SDKS:
        for upstream in SDKS:
            marks: list[str] = []
            for feature in FEATURES:
                reason = feature.lacks(client, upstream)
                if reason is None:
                    marks.append("✗" if cells.get((client, upstream, feature.name)) else "✓")
                    continue
                if reason not in reasons:
                    reasons.append(reason)
                marks.append(str(reasons.index(reason) + 1))
            lines.append(f"| {client} → {upstream} | " + " | ".join(marks) + " |")
    lines.append("")
    lines += [f"{at}. {reason}" for at, reason in enumerate(reasons, 1)]
    return "\n".join(lines) + "\n"
