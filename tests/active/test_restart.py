"""Settings that only a restart brings into force, and the door that is really open."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from omniroute.active.load import InForce, Options, load
from omniroute.active.reload import Reloader
from omniroute.base.clock import SystemClock
from tests.running import ECHO, Gateway, running

OPEN = "auth: {dashboard: {require_login: false}}\n"
MOVED = ECHO + OPEN + "server: {port: 7, workers: 3, data_dir: elsewhere, request_timeout: 5s}\n"


async def told(gateway: Gateway) -> tuple[list[str], list[str]]:
    """What waits, and the codes of the findings."""
    reload = (await gateway.client.get("/api/config")).json()["reload"]
    return reload["restartNeeded"], [row["code"] for row in reload["diagnostics"]]


async def test_what_was_read_once_keeps_its_value_and_is_told(tmp_path: Path) -> None:
    async with running(tmp_path, ECHO + OPEN) as gateway:
        before = gateway.runtime.snapshot.config.server
        gateway.save(MOVED)
        answer = await gateway.client.post("/api/config/reload")
        assert answer.status_code == 200
        assert answer.json()["restartNeeded"] == ["server.workers"]  # the rest is the command's
        assert await told(gateway) == (["server.workers"], ["OR903"])
        assert gateway.runtime.snapshot.config.server == replace(before, request_timeout_s=5.0)
        gateway.save(ECHO + OPEN)
        await gateway.client.post("/api/config/reload")
        assert await told(gateway) == ([], [])


async def test_the_address_that_is_bound_is_judged(tmp_path: Path) -> None:
    (tmp_path / "omniroute.yaml").write_text(ECHO)
    options = Options(files=(str(tmp_path / "omniroute.yaml"),))
    first = load(options)
    bound = InForce.of(replace(first.server, host="0.0.0.0"))  # noqa: S104 - what is judged
    reloader = Reloader(
        replace(options, in_force=bound),
        first,
        activate=lambda _: None,
        note=lambda kind, subject, detail: None,
        record=lambda loaded, reason: None,
        clock=SystemClock(),
    )
    status = await reloader.reload("test")
    assert not status.ok
    assert "0.0.0.0 can be reached from other machines" in str(status.error)
