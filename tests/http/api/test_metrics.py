"""What a scrape shows after requests, refusals, failures and reloads."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from omniroute.ledger.record import RequestRecord
from omniroute.ledger.spool import spool_dir
from omniroute.worker.meters import MAX_SERIES, OTHER, Meters
from tests.chat import ASK, COMPLETION, WHOLE_STREAM, answer, event, lab
from tests.running import Gateway, running, until
from tests.scripted import Recorded, Script, scripted_upstream

RECORDED = datetime(2026, 11, 24, tzinfo=UTC)
CHAT = "/v1/chat/completions"
RULES = f"""
auth: {{require_api_key: false, dashboard: {{require_login: false}}}}
keys:
  app: {{hash: "sha256:{hashlib.sha256(b"omr_app").hexdigest()}"}}
policies:
  - {{id: no-nine, action: deny, when: "request.max_output_tokens == `9`"}}
budgets:
  all: {{limit: 0.000092, period: total, warn_at: [40%], action: warn}}
resilience: {{retry: {{attempts: 0}}}}
"""


async def scraped(gateway: Gateway) -> dict[tuple[str, ...], float]:
    """Sample name and sorted label values without the worker, to value."""
    reply = await gateway.client.get("/metrics")
    assert reply.status_code == 200
    assert reply.headers["content-type"].startswith("text/plain")
    found: dict[tuple[str, ...], float] = {}
    for family in text_string_to_metric_families(reply.text):
        for sample in family.samples:
            assert sample.labels["worker"] == "0"
            labels = [f"{k}={v}" for k, v in sorted(sample.labels.items()) if k != "worker"]
            found[(sample.name, *labels)] = sample.value
    return found


async def test_a_scrape_shows_what_happened(tmp_path: Path) -> None:
    def script(request: Recorded) -> Script:
        if request.json()["model"] == "broken":
            return [answer(500, {"error": {"message": "down"}})]
        return [answer(200, COMPLETION)]

    async with (
        scripted_upstream(script) as upstream,
        running(tmp_path, lab(upstream.url, RULES)) as gateway,
    ):
        for body in (
            ASK,
            {**ASK, "model": "lab/broken"},
            {**ASK, "max_tokens": 9},
        ):
            await gateway.client.post(CHAT, json=body)
        seen = await scraped(gateway)

    def requests(model: str, provider: str, status: int) -> float:
        return seen[
            "omniroute_requests_total",
            "format=openai-chat",
            "kind=chat",
            f"model={model}",
            f"provider={provider}",
            f"status={status}",
        ]

    assert requests("lab/m", "lab", 200) == 1
    assert requests(OTHER, "lab", 500) == 1
    assert requests("", "", 403) == 1
    assert seen["omniroute_refused_total", "by=policy"] == 1
    assert seen["omniroute_upstream_attempts_total", "provider=lab"] == 2
    assert seen["omniroute_upstream_failures_total", "class=upstream", "provider=lab"] == 1
    assert seen["omniroute_tokens_total", "provider=lab", "type=cache_read"] == 6
    assert seen["omniroute_cost_usd_total", "provider=lab"] == 0.000046
    assert seen["omniroute_budget_warnings_total", "budget=all", "threshold=0.4"] == 1
    assert seen["omniroute_budget_spent_ratio", "budget=all"] == 0.5
    assert seen["omniroute_first_byte_seconds_count", "provider=lab"] == 1
    assert (
        seen["omniroute_request_duration_seconds_count", "format=openai-chat", "stream=false"] == 3
    )
    assert seen["omniroute_breakers", "connection=main", "provider=lab", "state=closed"] == 2
    assert seen["omniroute_ledger_appended_total",] == 3
    assert seen["omniroute_state_available", "store=memory"] == 1
    assert seen["omniroute_requests_in_flight",] == 0
    assert seen["omniroute_tasks",] > 1


async def test_frames_that_nobody_can_read_are_counted(tmp_path: Path) -> None:
    stream = [*WHOLE_STREAM[:2], event("{no JSON"), event("nor this"), *WHOLE_STREAM[2:]]
    async with (
        scripted_upstream(stream) as upstream,
        running(tmp_path, lab(upstream.url, RULES)) as gateway,
    ):
        for path in (CHAT, "/v1/messages"):  # passed on, and translated
            reply = await gateway.client.post(path, json={**ASK, "max_tokens": 8, "stream": True})
            assert "no JSON" not in reply.text
        seen = await scraped(gateway)
    assert seen["omniroute_upstream_frames_skipped_total", "provider=lab"] == 4


async def test_what_of_the_spool_is_no_row_is_counted(tmp_path: Path) -> None:
    async with running(tmp_path, lab("http://127.0.0.1:9", RULES)) as gateway:
        (spool_dir(tmp_path / "data") / "w0-1.jsonl").write_text("no record\n")
        await until(lambda: gateway.runtime.quarantined > 0)
        assert (await scraped(gateway))["omniroute_ledger_quarantined_total",] == 1
        health = (await gateway.client.get("/api/monitoring/health")).json()
        assert health["ledger"]["quarantined"] == 1


async def test_a_failed_reload_shows(tmp_path: Path) -> None:
    text = lab("http://127.0.0.1:9", RULES)
    async with running(tmp_path, text) as gateway:
        digest = gateway.runtime.snapshot.digest
        assert (await scraped(gateway))["omniroute_config_last_reload_successful",] == 1
        gateway.save("version: [")
        await gateway.until_failures(1)
        seen = await scraped(gateway)
        assert seen["omniroute_config_last_reload_successful",] == 0
        assert seen["omniroute_config_reloads_total", "result=failure"] == 1
        assert seen["omniroute_config_info", f"digest={digest}"] == 1
        before = seen["omniroute_config_last_reload_success_timestamp_seconds",]
        gateway.save(text)
        await gateway.client.post("/api/config/reload")
        seen = await scraped(gateway)
        assert seen["omniroute_config_last_reload_successful",] == 1
        assert seen["omniroute_config_last_reload_success_timestamp_seconds",] >= before


def test_statuses_without_end_do_not_grow_the_table() -> None:
    meters = Meters()
    for number in range(MAX_SERIES + 100):
        meters.observe(
            RequestRecord(
                request_id="r",
                time=RECORDED,
                path="/",
                client_format="f",
                status=200,
                total_ms=1.0,
                config_digest="d",
                provider=f"p{number}",
            )
        )
    assert len(meters.requests) == MAX_SERIES + 1
    assert sum(meters.requests.values()) == MAX_SERIES + 100
