"""Press on a served gateway: prints held or BROKE with a figure for each attack; 1 if one broke."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Protocol

from tests.abuse import edge, memory, quadratic, reload, soak, starts
from tests.abuse.attack import CONFIG, Verdict
from tests.running import Served, served


class Attack(Protocol):
    """One verdict for each way to press; `folder` is where the gateway's configuration lies."""

    def __call__(
        self, gateway: Served, folder: Path, *, short: bool = False
    ) -> Iterator[Verdict]: ...


ATTACKS: Final[Mapping[str, Attack]] = {
    "edge": edge.attack,
    "memory": memory.attack,
    "quadratic": quadratic.attack,
    "reload": reload.attack,
}
"""Each against a process of its own."""
STARTS_OF_ALL: Final = 9
"""What `all` has time for."""


def verdicts(options: argparse.Namespace, folder: Path) -> Iterator[Verdict]:
    if options.attack == "soak":
        yield from soak.attack(folder, minutes=options.minutes, say=_say)
    if options.attack == "starts":
        yield from starts.attack(folder, options.count)
    for name in ATTACKS if options.attack == "all" else [options.attack]:
        if name in ATTACKS:
            own = folder / name
            own.mkdir()
            with served(own, CONFIG) as gateway:
                yield from ATTACKS[name](gateway, own)
    if options.attack == "all":
        yield from starts.attack(folder, STARTS_OF_ALL)


def _say(what: object) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.abuse", description=__doc__)
    parser.add_argument("attack", choices=["all", "starts", *ATTACKS, "soak"])
    parser.add_argument("--count", type=int, default=50, help="of starts")
    parser.add_argument("--minutes", type=float, default=10.0, help="of a soak")
    options = parser.parse_args()
    broke = 0
    with tempfile.TemporaryDirectory() as folder:
        for verdict in verdicts(options, Path(folder)):
            _say(verdict)
            broke += not verdict.held
    _say(f"{broke} broke" if broke else "all held")
    sys.exit(1 if broke else 0)


if __name__ == "__main__":
    main()
