from __future__ import annotations

import io
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from omniroute.cli.tabular import aligned, print_table, render_rows


def shown(columns: list[str], rows: list[tuple[object, ...]], *, width: int = 60) -> str:
    console = Console(file=io.StringIO(), force_terminal=True, width=width, no_color=True)
    print_table(console, columns, ["VARCHAR"] * len(columns), rows)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_terminal_gets_a_table_and_a_count() -> None:
    text = shown(["name", "n"], [("a", 1), (None, 2.5)])
    assert "NULL" in text
    assert "2 rows" in text
    assert "1 row\x1b" in shown(["a"], [("x",)])


def test_more_columns_than_room_stand_below_each_other() -> None:
    columns = [f"column_{n}" for n in range(30)]
    text = shown(columns, [tuple(range(30)), tuple(range(30))])
    assert "row 2" in text
    assert text.count("column_29") == 2


@given(st.text(max_size=20))
def test_no_value_steers_the_terminal_or_breaks_a_line(value: str) -> None:
    for form in ("table", "markdown"):
        text = "".join(render_rows(["a"], ["VARCHAR"], [(value,)], form))
        body = text.removesuffix("\n").split("\n")[-1]
        assert body.isprintable()
        assert len(text.split("\n")) == (3 if form == "table" else 4)


def test_numbers_for_eyes_are_short_and_for_machines_exact() -> None:
    value = 0.1 + 0.2 + 1000
    assert "".join(render_rows(["a"], ["DOUBLE"], [(value,)], "table")) == "     a\n1000.3\n"
    assert "".join(render_rows(["a"], ["DOUBLE"], [(value,)], "csv")) == f"a\n{value!r}\n"


ROWS = [
    ("1.", "lab/m via main", "declared first " * 5, "(omniroute.yaml:3)"),
    ("10.", "b", "c", ""),
]


def test_a_pipe_gets_one_line_for_each_row() -> None:
    first, second = aligned(ROWS, None).splitlines()
    assert first == "1.   lab/m via main  " + "declared first " * 5 + "  (omniroute.yaml:3)"
    assert second.split() == ["10.", "b", "c"]
    assert aligned([], None) == aligned([], 80) == ""


def test_a_window_folds_what_it_has_no_room_for() -> None:
    assert aligned(ROWS, 200) == aligned(ROWS, None)
    lines = aligned(ROWS, 60).splitlines()
    assert len(lines) > 2
    assert max(map(len, lines)) <= 60
    assert "".join(lines).count("declared") == 5


def test_rich_is_loaded_for_a_terminal_alone() -> None:
    text = """
import sys
from omniroute.cli.keys import keys_group
from omniroute.cli.tabular import aligned
aligned([("a", "b")], None)
assert "rich" not in sys.modules
aligned([("a", "b" * 90)], 20)
assert "rich" in sys.modules
"""
    subprocess.run([sys.executable, "-c", text], check=True)  # noqa: S603
