"""Connections through the API: where a credential goes, and what is told of it."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

from tests.http.api.test_entries import CONFIG, ask
from tests.running import Gateway, running

LAB = """
  lab:
    format: openai-chat
    base_url: https://lab.example/v1
"""
TEXT = CONFIG.replace("  echo: {preset: echo}\n", "  echo: {preset: echo}" + LAB)
FIRST, SECOND = "sk-first-0123456789abcdef", "sk-second-0123456789abcdef"


def kept(gateway: Gateway) -> list[Path]:
    folder = gateway.runtime.data_dir / "secrets"
    return sorted(folder.iterdir()) if folder.exists() else []


async def test_a_credential_goes_into_a_file_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "omniroute.yaml"
    async with running(tmp_path, TEXT) as gateway:
        told: list[str] = []

        async def asked(method: str, path: str, body: Any = None) -> Any:
            reply = await ask(gateway, method, path, body)
            told.append(reply.text)
            return reply

        new = {"provider": "lab", "name": "main", "apiKey": FIRST, "defaultModel": "m"}
        made = await asked("POST", "/api/providers", new)
        assert made.status_code == 201, made.text
        assert made.json()["connection"]["apiKey"] == "…cdef"
        (secret,) = kept(gateway)
        assert secret.read_text() == FIRST
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600
        assert stat.S_IMODE(secret.parent.stat().st_mode) == 0o700
        assert f'"${{file:{secret}}}"' in file.read_text()
        sent = dict(gateway.runtime.snapshot.outlets["lab/main"].headers)
        assert FIRST in next(iter(sent.values()))

        again = await asked("POST", "/api/providers", new)
        assert again.status_code == 409
        assert kept(gateway) == [secret]

        turned = await asked("PUT", "/api/providers/lab%2Fmain", {"apiKey": SECOND})
        assert turned.status_code == 200, turned.text
        (other,) = kept(gateway)
        assert (other != secret, other.read_text()) == (True, SECOND)

        gone = await asked("DELETE", "/api/providers/lab%2Fmain")
        assert (gone.json(), kept(gateway)) == ({"success": True}, [])
        await asked("GET", "/api/compliance/audit-log")
        await asked("GET", "/api/config")
        assert not any(one in text for one in (FIRST, SECOND) for text in told)
        assert file.read_text() == TEXT


async def test_a_connection_says_how_it_is_doing(tmp_path: Path) -> None:
    text = TEXT + "aliases: {fast: echo/echo}\n"
    async with running(tmp_path, text) as gateway:
        new = {"provider": "lab", "name": "main", "apiKey": "${env:NO_SUCH_KEY}"}
        made = (await ask(gateway, "POST", "/api/providers", new)).json()["connection"]
        assert (made["apiKey"], made["isActive"], made["testStatus"]) == (None, False, "disabled")
        body = {"model": "fast", "messages": [{"role": "user", "content": "hi"}]}
        assert (await ask(gateway, "POST", "/v1/chat/completions", body)).status_code == 200
        echo = (await ask(gateway, "GET", "/api/providers/echo%2Fdefault")).json()["connection"]
        assert (echo["testStatus"], echo["authType"], echo["file"]) == ("active", "none", None)


async def test_an_entry_is_validated_without_being_written(tmp_path: Path) -> None:
    async with running(tmp_path, TEXT) as gateway:
        for body, valid, code in (
            ({"provider": "openai"}, True, None),
            ({"provider": "opena1"}, False, "OR501"),
            ({"provider": "new", "config": {"format": "openai-chat"}}, False, "OR503"),
            ({"provider": "new", "config": {"nonsense": 1}}, False, "OR201"),
        ):
            verdict = (await ask(gateway, "POST", "/api/providers/validate", body)).json()
            assert verdict["valid"] is valid, verdict
            assert code is None or code in {item["code"] for item in verdict["diagnostics"]}
        assert (tmp_path / "omniroute.yaml").read_text() == TEXT
