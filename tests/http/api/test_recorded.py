"""The original's own requests, in order, against a served gateway: its statuses and fields, and the
reason for each that is another here."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import yaml

from tests.http.api.test_entries import CONFIG, ask
from tests.running import running

TABLE: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parents[2] / "golden" / "recorded.yaml").read_text()
)


def fields_of(answer: Any) -> set[str]:
    """Of a list, those of its first row."""
    rows = cast("list[Any]", answer) if isinstance(answer, list) else [answer]
    return set(cast("dict[str, Any]", rows[0]))


async def test_what_the_original_answered_is_answered_or_told_why_not(tmp_path: Path) -> None:
    async with running(tmp_path, CONFIG) as gateway:
        for row in TABLE:
            method, path, *body = row["ask"]
            reply = await ask(gateway, method, path, *body)
            said = f"{method} {path}: {reply.status_code} {reply.text}"
            assert reply.status_code == row.get("ours", row["status"]), said
            assert ("why" in row) == ("ours" in row)
            if "ours" not in row:
                missing = set(row["fields"]) - fields_of(reply.json())
                assert missing == set(row.get("without", {})), said
