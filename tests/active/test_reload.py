"""Files change in every way that people and tools change them; the server follows, or stays."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from omniroute.active import watch
from omniroute.base.password import hash_password
from tests.running import DEADLINE_S, ECHO, Gateway, running

TWO = ECHO + "  second: {preset: echo}\n"
BROKEN = "version: 1\nproviders: [\n"
ASK = {"model": "echo/echo", "messages": [{"role": "user", "content": "hi"}]}


async def models(gateway: Gateway) -> set[str]:
    """Those that chat."""
    reply = await gateway.client.get("/v1/models")
    return {row["id"] for row in reply.json()["data"] if row["kind"] == "chat"}


async def test_a_rename_over_the_file_is_followed(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway:
        gateway.save(TWO)
        await gateway.until_generation(2)
        assert await models(gateway) == {"echo/echo", "second/echo"}


async def test_an_edit_in_place_is_followed(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway:
        (tmp_path / "omniroute.yaml").write_text(TWO)
        await gateway.until_generation(2)
        assert await models(gateway) == {"echo/echo", "second/echo"}


async def test_an_edit_is_told_by_the_system_and_not_found_by_looking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "POLL_S", 10 * DEADLINE_S)
    async with running(tmp_path) as gateway:
        for generation in range(2, 5):  # the first one may come before anybody watches
            text = ECHO + f"  number-{generation}: {{preset: echo}}\n"
            (tmp_path / "omniroute.yaml").write_text(text)
            await gateway.until_generation(generation)


async def test_a_swapped_folder_link_is_followed(tmp_path: Path) -> None:
    """What Kubernetes does with a ConfigMap: `..data` moves to a new folder in one step."""
    for name, text in (("first", ECHO), ("next", TWO)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "providers.yaml").write_text(text.replace("version: 1\n", ""))
    (tmp_path / "..data").symlink_to("first")
    (tmp_path / "providers.yaml").symlink_to("..data/providers.yaml")
    text = "version: 1\ninclude: [providers.yaml]\n"
    async with running(tmp_path, text) as gateway:
        assert await models(gateway) == {"echo/echo"}
        (tmp_path / "..new").symlink_to("next")
        (tmp_path / "..new").rename(tmp_path / "..data")
        await gateway.until_generation(2)
        assert await models(gateway) == {"echo/echo", "second/echo"}


async def test_included_files_come_and_go(tmp_path: Path) -> None:
    text = ECHO + "include: [teams/*.yaml]\n"
    async with running(tmp_path, text, others={"teams/a.yaml": "{}\n"}) as gateway:
        gateway.save("providers: {late: {preset: echo}}\n", "teams/b.yaml")
        await gateway.until_generation(2)
        assert await models(gateway) == {"echo/echo", "late/echo"}
        (tmp_path / "teams/b.yaml").unlink()
        await gateway.until_generation(3)
        assert await models(gateway) == {"echo/echo"}


async def test_a_git_checkout_is_followed(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        subprocess.run(  # noqa: S603 - a fixed program with fixed arguments
            ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", *arguments],  # noqa: S607 - found on PATH
            cwd=tmp_path,
            check=True,
            capture_output=True,
        )

    git("init", "-q", "-b", "main")
    (tmp_path / "omniroute.yaml").write_text(TWO)
    git("add", "omniroute.yaml")
    git("commit", "-qm", "two")
    git("branch", "two")
    (tmp_path / "omniroute.yaml").write_text(ECHO)
    git("commit", "-qam", "one")
    async with running(tmp_path, ECHO) as gateway:
        git("checkout", "-q", "two")
        await gateway.until_generation(2)
        assert await models(gateway) == {"echo/echo", "second/echo"}


async def test_a_secrets_file_is_followed_too(tmp_path: Path) -> None:
    secret = tmp_path / "keys" / "lab"
    secret.parent.mkdir()
    secret.write_text("old")
    lab = f"""
  lab:
    format: openai-chat
    base_url: https://lab.example/v1
    connections: {{main: {{api_key: "${{file:{secret}}}"}}}}
"""
    async with running(tmp_path, ECHO + lab) as gateway:

        def sent() -> str:
            headers = gateway.runtime.snapshot.outlets["lab/main"].headers
            return {name.lower(): value for name, value in headers}["authorization"]

        assert sent() == "Bearer old"
        (tmp_path / "new").write_text("new")
        (tmp_path / "new").rename(secret)
        await gateway.until_generation(2)
        assert sent() == "Bearer new"


async def test_a_secret_of_kubernetes_is_followed_also_when_it_comes_late(tmp_path: Path) -> None:
    """A mounted Secret is swapped as a whole: here a credential, a password, and one to come."""
    first, second = hash_password("first-password"), hash_password("second-password")
    mount = tmp_path / "secrets"
    for name, secrets in (
        ("first", {"key": "old", "hash": first}),
        ("next", {"key": "new", "hash": second, "late": "late"}),
    ):
        (mount / name).mkdir(parents=True)
        for file, secret in secrets.items():
            (mount / name / file).write_text(f"{secret}\n")
    (mount / "..data").symlink_to("first")
    for file in ("key", "hash", "late"):
        (mount / file).symlink_to(f"..data/{file}")
    connections = ", ".join(
        f'{name}: {{api_key: "${{file:secrets/{name}}}"}}' for name in ("key", "late")
    )
    text = f"""
version: 1
auth: {{dashboard: {{password_hash: "${{file:secrets/hash}}"}}}}
providers: {{lab: {{preset: openai, connections: {{{connections}}}}}}}
"""
    async with running(tmp_path, text) as gateway:

        def known() -> tuple[set[str], str]:
            snapshot = gateway.runtime.snapshot
            sent = {value for one in snapshot.outlets.values() for _, value in one.headers}
            return sent, snapshot.passwords.hashes["admin"].reveal()

        digest = gateway.runtime.snapshot.digest
        assert known() == ({"Bearer old"}, first)
        (mount / "..new").symlink_to("next")
        (mount / "..new").rename(mount / "..data")
        await gateway.until_generation(2)
        assert known() == ({"Bearer new", "Bearer late"}, second)
        assert gateway.runtime.snapshot.digest == digest
        login = {"password": "second-password"}
        shown = await gateway.client.post("/api/auth/login", json=login)
        config = await gateway.client.get("/api/config")
        assert (shown.status_code, config.status_code) == (200, 200)
        assert not any(word in config.text for word in ("Bearer", second))


async def test_a_password_that_changes_alone_is_followed(tmp_path: Path) -> None:
    hashed = tmp_path / "hash"
    hashed.write_text(hash_password("first-password"))
    text = ECHO + "auth: {dashboard: {password_hash: '${file:hash}'}}\n"
    async with running(tmp_path, text) as gateway:
        gateway.save(second := hash_password("second-password"), "hash")
        await gateway.until_generation(2)
        assert gateway.runtime.snapshot.passwords.hashes["admin"].reveal() == second


async def test_a_broken_file_leaves_the_old_one_serving(tmp_path: Path) -> None:
    async with running(tmp_path, ECHO + "auth: {dashboard: {require_login: false}}\n") as gateway:
        digest = gateway.runtime.snapshot.digest
        gateway.save(BROKEN)
        await gateway.until_failures(1)
        reply = await gateway.client.post("/v1/chat/completions", json=ASK)
        assert (reply.status_code, reply.headers["x-omniroute-config"]) == (200, digest)
        told = (await gateway.client.get("/api/config")).json()["reload"]
        assert told["ok"] is False
        assert [(row["line"], row["severity"]) for row in told["diagnostics"]] == [(3, "error")]
        gateway.save(TWO)
        await gateway.until_generation(2)
        assert gateway.runtime.reloader.status.ok


@pytest.mark.parametrize("text", ["", "# nothing\n", "version: 1\n"])
async def test_an_emptied_file_takes_no_key_and_no_provider_along(
    tmp_path: Path, text: str
) -> None:
    async with running(tmp_path) as gateway:
        gateway.save(text)
        await gateway.until_failures(1)
        assert await models(gateway) == {"echo/echo"}
        codes = [item.code for item in gateway.runtime.reloader.status.diagnostics]
        assert codes == ["OR520"]


async def test_saving_the_same_content_changes_nothing(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway:
        before = gateway.runtime.snapshot
        gateway.save(ECHO + "# a comment\n")
        reloaded = await gateway.runtime.reloader.reload("files changed")
        assert gateway.runtime.snapshot is before
        assert reloaded.generation == 1


async def test_a_running_stream_ends_on_its_own_snapshot(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway:
        first = gateway.runtime.snapshot.digest
        ask = {**ASK, "stream": True, "messages": [{"role": "user", "content": "a b c " * 50}]}
        async with gateway.client.stream("POST", "/v1/chat/completions", json=ask) as reply:
            lines = reply.aiter_lines()
            await anext(lines)
            gateway.save(TWO)
            await gateway.until_generation(2)
            rest = [line async for line in lines]
        assert reply.headers["x-omniroute-config"] == first != gateway.runtime.snapshot.digest
        assert "data: [DONE]" in rest


async def test_a_refused_file_shows_its_place_and_no_secret(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "hunter2-and-more"  # noqa: S105 -- the text under test
    async with running(tmp_path, ECHO + "auth: {dashboard: {require_login: false}}\n") as gateway:
        gateway.save(f"{ECHO}  lab: {{preset: echo, base_url: 'ftp://ada:{secret}@lab.example'}}\n")
        await gateway.until_failures(1)
        told = (await gateway.client.get("/api/config")).json()["reload"]
        assert "OR510" in [row["code"] for row in told["diagnostics"]]
        assert secret not in str(told)
    assert "OR510" in caplog.text
    assert secret not in caplog.text


async def test_a_preset_in_a_folder_that_was_not_there_works_at_once(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway:
        preset = "format: openai-chat\nbase_url: https://lab.example/v1\nmodels: {chat: [m]}\n"
        gateway.save(preset, "presets/lab.yaml")
        await gateway.until_generation(2)
        gateway.save("version: 1\nproviders: {lab: {preset: lab}}\n")
        await gateway.until_generation(3)
        assert await models(gateway) == {"lab/m"}
        gateway.save(preset.replace("[m]", "[m, n]"), "presets/lab.yaml")
        await gateway.until_generation(4)
        assert await models(gateway) == {"lab/m", "lab/n"}
