"""Edits of the configuration under load: no request fails, and what is wrong changes nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Final

from tests.abuse.attack import BOUND_S, CONFIG, Verdict, ask, chat, metric
from tests.abuse.shapes import CHAT
from tests.running import Served

FILE: Final = "omniroute.yaml"
ASKS: Final = 20
"""Requests that have to be served on while a wrong file lies there."""


class Load:
    """A client who asks all the time, and what it was told when it was not served."""

    def __init__(self, gateway: Served) -> None:
        self._gateway = gateway
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.asked = 0
        self.failed: list[str] = []

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                answer = ask(self._gateway, CHAT, chat())
            except OSError as error:
                self.failed.append(repr(error))
            else:
                if answer.status != 200:
                    self.failed.append(f"{answer.status} {answer.body[:80]!r}")
            self.asked += 1

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


def _good(model: str) -> str:
    return f"{CONFIG}aliases: {{{model}: echo/echo}}\n"


def _empty(folder: Path) -> None:
    (folder / FILE).write_text("")


def _comments(folder: Path) -> None:
    (folder / FILE).write_text("# nothing yet\n")


def _broken(folder: Path) -> None:
    (folder / FILE).write_text("providers: [\n")


def _broken_include(folder: Path) -> None:
    (folder / "part.yaml").write_text("aliases: {a: }}}\n")
    (folder / FILE).write_text("version: 1\ninclude: [part.yaml]\nproviders: {}\n")


def _away(folder: Path) -> None:
    (folder / FILE).unlink()


def _renamed(folder: Path) -> None:
    """As editors save: by a new file over the old one."""
    fresh = folder / "fresh.yaml"
    fresh.write_text("version: 1\nproviders: {echo: {preset: nothing}}\n")
    fresh.rename(folder / FILE)


def _many(folder: Path) -> None:
    for number in range(200):
        (folder / FILE).write_text(_good(f"edit-{number}") if number % 3 else "aliases: {")
    _broken(folder)


EDITS: Final[Mapping[str, Callable[[Path], None]]] = {
    "an empty file": _empty,
    "comments alone": _comments,
    "a broken file": _broken,
    "a broken include": _broken_include,
    "no file": _away,
    "a wrong file renamed over it": _renamed,
    "200 quick edits": _many,
}


def attack(gateway: Served, folder: Path, *, short: bool = False) -> Iterator[Verdict]:
    for name, edit in islice(EDITS.items(), 1 if short else None):
        with Load(gateway) as load:
            broke = _edited(gateway, folder, edit, load)
            model = name.replace(" ", "-")
            (folder / FILE).write_text(_good(model))
            if not _until(lambda model=model: _knows(gateway, model)):
                broke = broke or "the next good file is not served"
        if load.failed:
            broke = f"{len(load.failed)} of {load.asked} requests failed: {load.failed[0]}"
        yield Verdict(
            name=f"reload: {name}",
            held=broke is None,
            figure=broke or f"{load.asked} requests served",
        )


def _edited(gateway: Served, folder: Path, edit: Callable[[Path], None], load: Load) -> str | None:
    """Make a wrong edit, wait until it was refused, and for requests after that; what broke."""
    refused = _refused(gateway)
    edit(folder)
    if not _until(lambda: _refused(gateway) > refused and not _in_order(gateway)):
        return "the wrong file was not refused"
    asked = load.asked
    if not _until(lambda: load.asked >= asked + ASKS):
        return "requests wait for the right file"
    return None


def _refused(gateway: Served) -> float:
    return metric(gateway, "omniroute_config_reloads_total", result="failure")


def _in_order(gateway: Served) -> bool:
    return metric(gateway, "omniroute_config_last_reload_successful") == 1


def _knows(gateway: Served, model: str) -> bool:
    return ask(gateway, CHAT, chat(model=model)).status == 200


def _until(holds: Callable[[], bool]) -> bool:
    """Whether it comes to hold within the bound."""
    ends_s = time.monotonic() + BOUND_S
    while not holds():
        if time.monotonic() > ends_s:
            return False
        time.sleep(0.02)
    return True
