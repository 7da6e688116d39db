"""Run the matrix and print it: `python -m tests.matrix`, with `--write` into the documentation."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.matrix.bench import FORMATS, Bench, Pair, bench
from tests.matrix.features import FEATURES, GAPS, Feature
from tests.matrix.table import Cell, render

PAGE = Path(__file__).parents[2] / "docs" / "formats-matrix.md"


async def _try(table: Bench, client: str, upstream: str, feature: Feature) -> list[str]:
    """What went wrong, scenario by scenario."""
    failures: list[str] = []
    for scenario in feature.scenarios:
        for stream in feature.streams:
            pair = Pair(table, client, upstream, stream=stream)
            try:
                await feature.check(pair, scenario)
            except Exception as error:  # noqa: BLE001 - whatever it is, the cell failed
                refused = [failure.message for failure in pair.provider.refused]
                how = "streamed" if stream else "whole"
                text = f"{type(error).__name__}: {error}".split("\n\n")[0]
                failures.append(f"{scenario} {how}: {text} {refused or ''}")
    return failures


async def _run(clients: list[str], upstreams: list[str], names: list[str]) -> bool:
    cells: dict[Cell, str | None] = {}
    formats = [name for name in FORMATS if name in {*clients, *upstreams}]
    with tempfile.TemporaryDirectory() as folder:
        async with bench(Path(folder), formats) as table:
            for client in clients:
                for upstream in upstreams:
                    for feature in FEATURES:
                        if feature.name not in names or feature.lacks(client, upstream):
                            continue
                        failures = await _try(table, client, upstream, feature)
                        cells[client, upstream, feature.name] = "\n".join(failures) or None
                        for failure in failures:
                            line = f"{client} → {upstream} {feature.name}: {failure}\n"
                            sys.stderr.write(line)
    sys.stdout.write(render(cells, formats))
    return not any(failed and cell not in GAPS for cell, failed in cells.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    formats = list(FORMATS)
    parser.add_argument("--client", choices=formats, action="append")
    parser.add_argument("--upstream", choices=formats, action="append")
    parser.add_argument("--feature", choices=[one.name for one in FEATURES], action="append")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name} when all is well")
    options = parser.parse_args()
    whole = not (options.client or options.upstream or options.feature)
    fine = asyncio.run(
        _run(
            options.client or formats,
            options.upstream or formats,
            options.feature or [feature.name for feature in FEATURES],
        )
    )
    if fine and whole and options.write:
        PAGE.write_text(render({}, FORMATS))
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
