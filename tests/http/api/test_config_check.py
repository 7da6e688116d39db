"""Checking a configuration through the API, before anybody saves it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.running import ECHO, running

OPEN = ECHO + "auth: {dashboard: {require_login: false}}\n"
MAIN = OPEN + "include: [more.yaml]\n"
OTHERS = {"more.yaml": "aliases: {nick: echo/echo}\n", "secret.yaml": "{canary-in-a-file\n"}
PATH = "/api/config/check"


async def test_a_text_is_checked_and_nothing_is_written(tmp_path: Path) -> None:
    async with running(tmp_path, MAIN, others=OTHERS) as gateway:
        digest = gateway.runtime.snapshot.digest
        same = (await gateway.client.post(PATH, json={"text": MAIN})).json()
        assert (same["ok"], same["digest"], same["activeDigest"]) == (True, digest, digest)

        wrong = MAIN + "combos: {smart: {targets: [opena1/x]}}\n"
        found = (await gateway.client.post(PATH, json={"text": wrong})).json()
        assert (found["ok"], found["digest"]) == (False, None)
        first: dict[str, Any] = next(
            one for one in found["diagnostics"] if one["severity"] == "error"
        )
        assert first["file"].endswith("omniroute.yaml")
        line = wrong.splitlines()[int(first["line"]) - 1]
        assert line[int(first["column"]) - 1 :].startswith("opena1/x")

        more = str(tmp_path / "more.yaml")
        included = {"text": "aliases: {nick: nobody/x}\n", "file": more}
        found = (await gateway.client.post(PATH, json=included)).json()
        assert {one["file"] for one in found["diagnostics"]} == {more}
        assert (tmp_path / "omniroute.yaml").read_text() == MAIN
        assert gateway.runtime.reloader.status.generation == 1


async def test_the_saved_files_are_checked_while_others_are_in_force(tmp_path: Path) -> None:
    async with running(tmp_path, OPEN + "reload: {watch: false}\n") as gateway:
        assert (await gateway.client.get(PATH)).json()["ok"] is True
        gateway.save("providers: [")
        found = (await gateway.client.get(PATH)).json()
        assert found["ok"] is False
        assert found["activeDigest"] == gateway.runtime.snapshot.digest
        mended = (await gateway.client.post(PATH, json={"text": OPEN})).json()
        assert mended["ok"] is True


async def test_no_other_file_is_read(tmp_path: Path) -> None:
    async with running(tmp_path, MAIN, others=OTHERS) as gateway:
        secret = str(tmp_path / "secret.yaml")
        for pattern in ("secret.yaml", secret, "*.yaml", "../*/secret.yaml", "**/*"):
            reply = await gateway.client.post(PATH, json={"text": OPEN + f"include: ['{pattern}']"})
            assert reply.status_code == 200
            assert "canary" not in reply.text
            assert not any(one["file"] == secret for one in reply.json()["diagnostics"])
        for name in (secret, "/etc/passwd", "\0"):
            reply = await gateway.client.post(PATH, json={"text": OPEN, "file": name})
            assert reply.status_code == 404
            assert reply.json()["error"]["details"] == {"field": "file"}
