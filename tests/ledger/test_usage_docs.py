"""docs/usage-sql.md: its queries run, and its columns are the real ones."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from omniroute.cli.tabular import render_rows
from omniroute.ledger.drain import Drainer
from omniroute.ledger.queries import COLUMNS_SQL, open_ledger
from omniroute.ledger.spool import Spool
from tests.ledger.asking import asked
from tests.ledger.rows import row

PAGE = (Path(__file__).parents[2] / "docs" / "usage-sql.md").read_text()
QUERIES = re.findall(r"^(\S.*?)\n\n```sql\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    now, folder = datetime.now(UTC), tmp_path_factory.mktemp("documented")
    with Spool(folder) as spool:
        spool.append(row("req_0123456789", time=now))
        spool.append(
            row("b", time=now, status=403, error_class="permission", decided_by="no-opus-in-ci")
        )
        spool.append(row("c", time=now, cost_nanousd=None))
    Drainer(folder).drain_once()
    return folder


def test_there_are_ten_questions() -> None:
    assert len(QUERIES) == 10


@pytest.mark.parametrize("question", QUERIES, ids=lambda question: question[0][:60])
def test_a_documented_query_answers(data_dir: Path, question: tuple[str, str]) -> None:
    answer = asked(data_dir, question[1])
    assert answer.rows or "current_date - 1" in question[1] or "error_class IS NOT" in question[1]


def test_the_documented_columns_are_the_real_ones(data_dir: Path) -> None:
    with open_ledger(data_dir, patience_s=1) as connection:
        cursor = connection.execute(COLUMNS_SQL)
        names = [column[0] for column in cursor.description or ()]
        types = [str(column[1]) for column in cursor.description or ()]
        table = "".join(render_rows(names, types, cursor.fetchall(), "markdown"))
    assert PAGE.partition("a test compares. -->\n\n")[2] == table
