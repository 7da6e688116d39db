"""One gateway and its fake providers for all tests of a module."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from tests.matrix.bench import Bench, bench


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def table(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Bench]:
    async with bench(tmp_path_factory.mktemp("matrix")) as running:
        yield running
