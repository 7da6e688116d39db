"""`python -m tests.abuse starts --count 50`: press on a served gateway; prints held or broke."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.abuse.starts import start_and_end


def starts(count: int) -> bool:
    """Every third start has two workers."""
    held = 0
    slowest_s = ended_s = 0.0
    for number in range(count):
        workers = 2 if number % 3 == 2 else 1
        with tempfile.TemporaryDirectory() as folder:
            one = start_and_end(Path(folder), workers=workers)
        held += not one.broke
        slowest_s, ended_s = max(slowest_s, one.slowest_s), max(ended_s, one.ended_s)
        for words in one.broke:
            sys.stdout.write(f"broke: start {number} with {workers} workers: {words}\n")
    sys.stdout.write(
        f"{'held' if held == count else 'broke'}: {held} of {count} starts under fire; "
        f"longest request {slowest_s:.3f} s, longest end {ended_s:.1f} s\n"
    )
    return held == count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("attack", choices=["starts"])
    parser.add_argument("--count", type=int, default=50)
    options = parser.parse_args()
    sys.exit(0 if starts(options.count) else 1)


if __name__ == "__main__":
    main()
