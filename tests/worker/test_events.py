"""One event in the ledger for each change of state."""

from __future__ import annotations

from pathlib import Path

from omniroute.ledger.database import open_database
from omniroute.ledger.event import KINDS
from omniroute.ledger.paths import database_path
from tests.chat import ASK, COMPLETION, answer, lab
from tests.running import running
from tests.scripted import Recorded, Script, scripted_upstream

CHAT = "/v1/chat/completions"
RULES = """
budgets: {all: {limit: 0.000092, period: total, warn_at: [40%], action: warn}}
resilience: {breaker: {failures: 1, open: 5m}, retry: {attempts: 0}}
"""
PAGE = Path(__file__).parents[2] / "docs" / "usage-sql.md"


async def test_each_change_of_state_is_an_event(tmp_path: Path) -> None:
    def script(request: Recorded) -> Script:
        status = {"broken": 500, "secret": 401}.get(request.json()["model"], 200)
        return [answer(status, COMPLETION if status == 200 else {"error": {"message": "no"}})]

    async with (
        scripted_upstream(script) as upstream,
        running(tmp_path, lab(upstream.url, RULES)) as gateway,
    ):
        first = gateway.runtime.snapshot.digest
        for model in ("lab/m", "lab/broken", "lab/secret"):
            await gateway.client.post(CHAT, json={**ASK, "model": model})
        gateway.save("version: 2")
        await gateway.until_failures(1)
        gateway.save(lab(upstream.url, RULES + "aliases: {nick: lab/m}\n"))
        await gateway.until_generation(2)
        second = gateway.runtime.snapshot.digest
    with open_database(database_path(tmp_path / "data"), read_only=True) as connection:
        found = connection.execute(
            "SELECT kind, subject, detail, config_digest, worker FROM events ORDER BY time"
        ).fetchall()
    file = str(tmp_path / "omniroute.yaml")
    assert [row[:2] for row in found] == [
        ("budget.warning", "all"),
        ("breaker.open", "lab/main/broken"),
        ("credential.refused", "lab/main"),
        ("config.refused", file),
        ("config.applied", file),
    ]
    details = [row[2] for row in found]
    assert details[0].startswith("has reached 40%: 0.00 of 0.00 USD")
    assert details[1] == "its breaker is open (upstream) for 300 s"
    assert details[3].startswith(f"{first} stays active: {file}:1:10 OR204 2 is not 1")
    assert details[4] == f"{second} is active (files changed)"
    assert [row[3:] for row in found] == [(first, 0)] * 4 + [(second, 0)]
    assert {row[0] for row in found} <= set(KINDS)


def test_the_page_tells_every_kind() -> None:
    told = PAGE.read_text()
    assert [kind for kind in KINDS if f"`{kind}`" not in told] == []
