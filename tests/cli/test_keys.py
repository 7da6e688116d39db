"""`omniroute keys`, `init`, `version` and `completion`."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from omniroute.config.yamltree import parse_yaml, to_plain
from omniroute.ledger.spool import Spool
from tests.cli.programs import run
from tests.ledger.ready import put_database
from tests.ledger.rows import row
from tests.running import running

START = "# mine\nauth: {require_api_key: true}\nproviders:\n  echo: {preset: echo}   # free\n"


def digest(key: str) -> str:
    return "sha256:" + hashlib.sha256(key.encode()).hexdigest()


def test_a_key_is_printed_once_with_the_entry_to_paste(tmp_path: Path) -> None:
    options = ["--tag", "team=a b", "--model", "echo/*", "--role", "viewer"]
    ran = run(tmp_path, "keys", "new", "ci", *options, "--expires", "2099-12-31")
    assert ran.code == 0
    key, entry = ran.out.split("\n", 1)
    assert key.startswith("omr_")
    assert len(key) >= len("omr_") + 43
    root = parse_yaml(entry.encode(), "f").root
    assert root is not None
    assert to_plain(root) == {
        "keys": {
            "ci": {
                "hash": digest(key),
                "tags": {"team": "a b"},
                "models": ["echo/*"],
                "roles": ["viewer"],
                "expires": "2099-12-31",
            }
        }
    }


def test_write_inserts_the_entry_and_nothing_else_changes(tmp_path: Path) -> None:
    file = tmp_path / "omniroute.yaml"
    file.write_text(START)
    file.chmod(0o640)
    first = run(tmp_path, "keys", "new", "a", "--write")
    second = run(tmp_path, "keys", "new", "404", "--write", "--json")
    assert (first.code, second.code) == (0, 0)
    key = first.out.strip()
    made = orjson.loads(second.out)
    assert made["hash"] == digest(made["key"])
    assert file.read_text() == (
        f'{START}\nkeys:\n  a:\n    hash: {digest(key)}\n  "404":\n    hash: {made["hash"]}\n'
    )
    assert file.stat().st_mode & 0o777 == 0o640
    assert run(tmp_path, "check", "--strict").code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["omniroute.yaml"]


def test_a_broken_result_is_not_written(tmp_path: Path) -> None:
    file = tmp_path / "omniroute.yaml"
    file.write_text(START + "include: [keys.yaml]\n")
    (tmp_path / "keys.yaml").write_text(f"keys: {{a: {{hash: {digest('x')}}}}}\n")
    ran = run(tmp_path, "keys", "new", "a", "--write")
    assert ran.code == 1
    assert "nothing was written" in ran.err
    assert "omr_" not in ran.out
    assert file.read_text() == START + "include: [keys.yaml]\n"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["a b"], "not a valid key id"),
        (["a", "--role", "amdin"], 'did you mean "admin"?'),
        (["a", "--expires", "2027-02-30"], "not a date that exists"),
        (["a", "--tag", "team"], "write NAME=VALUE"),
        (["a", "--write"], "there is no file omniroute.yaml"),
    ],
)
def test_wrong_usage(tmp_path: Path, args: list[str], message: str) -> None:
    ran = run(tmp_path, "keys", "new", *args)
    assert ran.code == 2
    assert message in ran.err
    assert ran.out == ""


def test_write_keeps_line_ends_and_refuses_what_is_not_utf8(tmp_path: Path) -> None:
    file = tmp_path / "omniroute.yaml"
    file.write_bytes(START.replace("\n", "\r\n").encode())
    assert run(tmp_path, "keys", "new", "a", "--write").code == 0
    assert file.read_bytes().startswith(START.replace("\n", "\r\n").encode())
    file.write_bytes(START.encode() + b"# \xe9\n")
    refused = run(tmp_path, "keys", "new", "b", "--write")
    assert (refused.code, refused.out) == (1, "")
    assert "is not UTF-8" in refused.err
    assert file.read_bytes() == START.encode() + b"# \xe9\n"


def test_list_shows_state_and_never_a_hash(tmp_path: Path) -> None:
    keys = (
        f"keys:\n  on: {{hash: {digest('1')}, tags: {{team: a}}, models: ['echo/*']}}\n"
        f"  off: {{hash: {digest('2')}, disabled: true}}\n"
        f"  old: {{hash: {digest('3')}, expires: 2020-01-01}}\n"
    )
    (tmp_path / "omniroute.yaml").write_text(START + keys)
    text = run(tmp_path, "keys", "list")
    assert text.out == (
        "NAME  STATE     ROLES      STOPS             TAGS    MODELS\n"
        "on    active    inference  -                 team=a  echo/*\n"
        "off   disabled  inference  -                 -       all\n"
        "old   expired   inference  2020-01-02 00:00  -       all\n"
    )
    rows = orjson.loads(run(tmp_path, "keys", "list", "--json").out)
    assert [row["state"] for row in rows] == ["active", "disabled", "expired"]


def test_list_tells_last_use_and_cost_where_there_is_usage(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    keys = f"keys: {{ci: {{hash: {digest('1')}}}, idle: {{hash: {digest('2')}}}}}\n"
    (tmp_path / "omniroute.yaml").write_text(f"server: {{data_dir: data}}\n{START}{keys}")
    put_database(tmp_path / "data")
    with Spool(tmp_path / "data") as spool:
        for days, cost_nanousd in ((0, 15_000_000), (1, 5_000_000), (40, 900_000_000)):
            at = now - timedelta(days=days)
            spool.append(row(f"r{days}", key="ci", time=at, cost_nanousd=cost_nanousd))
    lines = run(tmp_path, "keys", "list").out.splitlines()
    assert [line.split()[:7] for line in lines] == [
        ["NAME", "STATE", "ROLES", "STOPS", "LAST", "USED", "USD"],
        ["ci", "active", "inference", "-", f"{now:%Y-%m-%d}", f"{now:%H:%M}", "0.02"],
        ["idle", "active", "inference", "-", "-", "-", "-"],
    ]
    rows = orjson.loads(run(tmp_path, "keys", "list", "--json").out)
    assert [(one["cost_usd_30d"], one["last_used"] is None) for one in rows] == [
        ("0.020000000", False),
        (None, True),
    ]


def test_a_key_is_rotated_in_the_file_that_declares_it(tmp_path: Path) -> None:
    (tmp_path / "omniroute.yaml").write_text(START + "include: [keys.yaml]\n")
    file, old = tmp_path / "keys.yaml", digest("old")
    file.write_text(f"keys:\n  ci:   # of the builds\n    hash: {old}  # since May\n")
    first = run(tmp_path, "keys", "rotate", "ci")
    new = digest(first.out.strip())
    assert first.err.splitlines()[0] == "wrote its hash to keys.yaml"
    assert "--finish" in first.err
    head = "keys:\n  ci:   # of the builds\n    hash:  # since May\n"
    assert file.read_text() == f"{head}      - {new}\n      - {old}\n"
    again = run(tmp_path, "keys", "rotate", "ci")
    assert (again.code, again.out) == (2, "")
    assert "is being rotated" in again.err
    assert run(tmp_path, "keys", "rotate", "ci", "--finish").out == ""
    assert f"hash: {new}" in file.read_text()
    assert old not in file.read_text()
    made = orjson.loads(run(tmp_path, "keys", "rotate", "ci", "--now", "--json").out)
    assert made["hash"] == digest(made["key"])
    assert f"hash: {made['hash']}" in file.read_text()
    assert new not in file.read_text()
    assert (tmp_path / "omniroute.yaml").read_text() == START + "include: [keys.yaml]\n"


def test_a_key_is_revoked_and_its_entry_stays(tmp_path: Path) -> None:
    file = tmp_path / "omniroute.yaml"
    file.write_text(f"{START}keys:\n  ci: {{hash: {digest('x')}}}  # of the builds\n")
    for _ in range(2):  # twice is once
        assert run(tmp_path, "keys", "revoke", "ci").code == 0
        assert f"ci: {{hash: {digest('x')}, disabled: true}}  # of the builds" in file.read_text()
    assert "disabled" in run(tmp_path, "keys", "list").out


def test_of_files_over_each_other_the_one_that_counts_is_changed(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(f"{START}keys: {{ci: {{hash: {digest('x')}}}}}\n")
    (tmp_path / "b.yaml").write_text("keys: {ci: {disabled: false}}\n")
    assert run(tmp_path, "keys", "revoke", "ci", "-c", "a.yaml", "-c", "b.yaml").code == 0
    assert (tmp_path / "b.yaml").read_text() == "keys: {ci: {disabled: true}}\n"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["revoke", "nobody"], 'there is no key "nobody"'),
        (["rotate", "nobody"], 'there is no key "nobody"'),
        (["rotate", "ci", "--finish"], "is not being rotated"),
        (["rotate", "ci", "--finish", "--now"], "give one of them"),
    ],
)
def test_what_cannot_be_rotated_or_revoked(tmp_path: Path, args: list[str], message: str) -> None:
    text = f"{START}keys: {{ci: {{hash: {digest('x')}}}}}\n"
    (tmp_path / "omniroute.yaml").write_text(text)
    ran = run(tmp_path, "keys", *args)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err
    assert (tmp_path / "omniroute.yaml").read_text() == text


async def test_a_running_server_refuses_a_revoked_key_and_takes_a_rotated_one(
    tmp_path: Path,
) -> None:
    text = f"{START}keys: {{ci: {{hash: {digest('x')}}}}}\n"
    async with running(tmp_path, text) as gateway:

        async def status(key: str) -> int:
            headers = {"authorization": f"Bearer {key}"}
            return (await gateway.client.get("/v1/models", headers=headers)).status_code

        ran = await asyncio.to_thread(run, tmp_path, "keys", "rotate", "ci")
        new = ran.out.strip()
        await gateway.until_generation(2)
        assert (await status("x"), await status(new)) == (200, 200)
        await asyncio.to_thread(run, tmp_path, "keys", "revoke", "ci")
        await gateway.until_generation(3)
        assert (await status("x"), await status(new)) == (401, 401)


def test_init_writes_a_good_file_and_does_not_replace_one(tmp_path: Path) -> None:
    assert run(tmp_path, "init").code == 0
    assert run(tmp_path, "check", "--strict").code == 0
    (tmp_path / "omniroute.yaml").write_text(START)
    refused = run(tmp_path, "init")
    assert refused.code == 2
    assert "--force replaces it" in refused.err
    assert run(tmp_path, "init", "--force").code == 0
    assert (tmp_path / "omniroute.yaml").read_text() != START
    assert run(tmp_path, "init", "gone/omniroute.yaml").code == 2


def test_version_and_completion(tmp_path: Path) -> None:
    shown = run(tmp_path, "version").out
    assert shown.startswith("omniroute 0.")
    assert run(tmp_path, "--version").out == shown
    for shell in ("bash", "zsh", "fish"):
        ran = run(tmp_path, "completion", shell)
        assert ran.code == 0
        assert "_OMNIROUTE_COMPLETE" in ran.out
    assert run(tmp_path, "completion", "cmd").code == 2


def test_the_first_key_says_that_it_shuts_the_door(tmp_path: Path) -> None:
    (tmp_path / "omniroute.yaml").write_text("providers: {echo: {preset: echo}}\n")
    told = [
        "every caller needs a key" in run(tmp_path, "keys", "new", name, "--write").err
        for name in "ab"
    ]
    assert told == [True, False]


def test_warnings_follow_the_answer_in_a_line_each(tmp_path: Path) -> None:
    names = [f"lab{number}" for number in range(7)]
    entries = "".join(
        f"  {name}: {{preset: echo, headers: {{Authorization: x}}}}\n" for name in names
    )
    (tmp_path / "omniroute.yaml").write_text(f"providers:\n{entries}")
    ran = run(tmp_path, "keys", "list")
    assert ran.code == 0
    assert ran.out.startswith("NAME")
    warnings = ran.err.splitlines()
    assert warnings[0].startswith("warning omniroute.yaml:2:")
    assert len(warnings) == 6
    assert warnings[-1] == "and 2 more; `omniroute check` shows all, with their lines"
