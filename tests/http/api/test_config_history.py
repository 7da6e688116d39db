"""What was in force, how it differs, and going back to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.http.api.test_entries import CONFIG, ask
from tests.running import running

INCLUDING = CONFIG + "include: [more.yaml]\n"
MORE = "aliases:\n  fast: echo/echo   # for the editors\n"
SECRET = "sk-thisisaplainsecret0123456789"  # noqa: S105 - it is what must not be seen


async def test_each_state_is_kept_compared_and_gone_back_to(tmp_path: Path) -> None:
    file, more = tmp_path / "omniroute.yaml", tmp_path / "more.yaml"
    async with running(tmp_path, INCLUDING, others={"more.yaml": MORE}) as gateway:

        async def asked(method: str, path: str, body: Any = None, **headers: str) -> Any:
            reply = await ask(gateway, method, f"/api/config/{path}", body, **headers)
            return reply.status_code, reply.json()

        first = gateway.runtime.snapshot.digest
        await ask(gateway, "PUT", "/api/models/alias", {"alias": "fast", "model": "echo/other"})
        await ask(gateway, "POST", "/api/combos", {"name": "c", "models": ["echo/echo"]})
        third = gateway.runtime.snapshot.digest
        _, shown = await asked("GET", "history")
        rows = shown["history"]
        assert [row["target"] for row in rows][:2] == ["POST /api/combos", "PUT /api/models/alias"]
        assert [row["active"] for row in rows] == [True, False, False]
        assert all(row["kept"] for row in rows)
        assert (rows[0]["digest"], rows[2]["digest"]) == (third, first)

        _, diff = await asked("GET", f"diff?from={first}&to={third}")
        assert (diff["from"], diff["to"]) == (first, third)
        assert [one["path"] for one in diff["changes"]] == ["aliases.fast", "combos"]
        assert [Path(one["file"]).name for one in diff["files"]] == ["omniroute.yaml", "more.yaml"]
        assert "-  fast: echo/echo   # for the editors" in diff["files"][1]["diff"]
        assert (await asked("GET", "diff"))[1]["changes"] == []

        status, back = await asked("POST", "rollback", {"digest": first})
        assert (status, back) == (200, {"success": True, "digest": first}), back
        assert (file.read_text(), more.read_text()) == (INCLUDING, MORE)
        assert gateway.runtime.snapshot.config.aliases == {"fast": "echo/echo"}
        newest = (await asked("GET", "history?limit=1"))[1]["history"][0]
        assert (newest["action"], newest["actor"]) == ("config.rollback", "key:root")

        again = await asked("POST", "rollback", {"digest": first})
        assert again[0] == 200  # nothing to do
        assert (await asked("POST", "rollback", {"digest": "0" * 12}))[0] == 404
        late = await asked("POST", "rollback", {"digest": third}, **{"If-Match": f'"{third}"'})
        assert late[0] == 412
        assert (file.read_text(), more.read_text()) == (INCLUDING, MORE)


async def test_what_was_broken_since_is_mended_and_what_came_since_is_in_the_way(
    tmp_path: Path,
) -> None:
    file = tmp_path / "omniroute.yaml"
    text = CONFIG + "include: ['parts/*.yaml']\n"
    async with running(tmp_path, text, others={"parts/a.yaml": MORE}) as gateway:
        first = {"digest": gateway.runtime.snapshot.digest}
        file.write_text("providers: [")
        (tmp_path / "parts" / "a.yaml").unlink()
        mended = await ask(gateway, "POST", "/api/config/rollback", first)
        assert mended.status_code == 200, mended.text
        assert (file.read_text(), (tmp_path / "parts/a.yaml").read_text()) == (text, MORE)

        (tmp_path / "parts" / "b.yaml").write_text("combos: {c: {targets: [echo/echo]}}\n")
        refused = await ask(gateway, "POST", "/api/config/rollback", first)
        assert refused.status_code == 409
        assert "b.yaml" in refused.json()["error"]["message"]


async def test_a_candidate_is_compared_and_secrets_are_masked(tmp_path: Path) -> None:
    async with running(tmp_path, CONFIG) as gateway:
        candidate = CONFIG.replace(
            "  echo: {preset: echo}\n",
            f"  echo: {{preset: echo, connections: {{a: {{api_key: {SECRET}}}}}}}\n",
        )
        reply = await ask(gateway, "POST", "/api/config/diff", {"text": candidate})
        assert reply.json()["to"] == "candidate"
        assert [one["path"] for one in reply.json()["changes"]] == ["providers.echo.connections"]
        assert SECRET not in reply.text
        assert (tmp_path / "omniroute.yaml").read_text() == CONFIG
