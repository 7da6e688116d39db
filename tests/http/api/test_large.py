"""Large bodies to the management API: bounded, and read beside the loop."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator
from pathlib import Path

from omniroute.base.heavy import BIG_BYTES
from omniroute.http.edge.receive import MANAGED_BYTES
from tests.running import ECHO, running

RESET = "/api/resilience/reset"
TEXT = f"{ECHO}auth: {{dashboard: {{require_login: false}}}}\n"


async def test_a_large_body_has_a_bound_and_leaves_the_loop(tmp_path: Path) -> None:
    async def pieces() -> AsyncGenerator[bytes]:
        for _ in range(MANAGED_BYTES // 65536 + 1):
            yield b" " * 65536

    async with running(tmp_path, TEXT) as gateway:
        at_once = await gateway.client.post(RESET, content=b" " * (MANAGED_BYTES + 1))
        in_chunks = await gateway.client.post(RESET, content=pieces())
        for reply in (at_once, in_chunks):
            assert reply.status_code == 413
            assert reply.json()["error"] == {
                "code": "too_large",
                "message": "the request is larger than the 1 MiB that management takes",
            }
        before = set(threading.enumerate())
        padded = b"{}" + b" " * BIG_BYTES
        assert (await gateway.client.post(RESET, content=padded)).status_code == 200
        begun = [one.name.split("_")[0] for one in set(threading.enumerate()) - before]
    assert begun == ["heavy"]
