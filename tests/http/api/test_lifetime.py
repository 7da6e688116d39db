"""The server ends, and starts anew, because somebody asks it to."""

from __future__ import annotations

import re
import time
from pathlib import Path

import httpx
import pytest

from tests.http.api.test_entries import CONFIG, ROOT, as_key
from tests.running import DEADLINE_S, Served, served


def address_of_start(gateway: Served, number: int) -> str:
    """Where the server listens since its so many'th start."""
    ends = time.monotonic() + DEADLINE_S
    while time.monotonic() < ends and gateway.process.poll() is None:
        found: list[str] = re.findall(r"listening on (http://\S+)", gateway.log.read_text())
        addresses = list(dict.fromkeys(found))
        if len(addresses) >= number:
            return addresses[number - 1]
        time.sleep(0.02)
    raise AssertionError(gateway.log.read_text())


@pytest.mark.parametrize("workers", ["1", "2"])
def test_it_starts_anew_and_ends_when_asked_to(tmp_path: Path, workers: str) -> None:
    with served(tmp_path, CONFIG, "--workers", workers) as gateway:
        assert httpx.get(f"{gateway.url}/api/init").json() == {"initialized": True}
        again = httpx.post(f"{gateway.url}/api/restart", headers=as_key(ROOT))
        assert again.json() == {"success": True, "message": "Restarting"}
        url = address_of_start(gateway, 2)
        assert httpx.get(f"{url}/api/config", headers=as_key(ROOT)).status_code == 200
        ended = httpx.post(f"{url}/api/shutdown", headers=as_key(ROOT))
        assert ended.json() == {"success": True, "message": "Shutting down"}
        assert gateway.process.wait(timeout=DEADLINE_S) == 0
        assert "Traceback" not in gateway.log.read_text()
