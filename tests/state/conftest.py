"""One Valkey for the tests of a worker process; each test keeps apart by its own prefix."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from omniroute.state.embedded import EmbeddedValkey


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Generator[EmbeddedValkey]:
    server = EmbeddedValkey(tmp_path_factory.mktemp("valkey"))
    yield server
    server.close()
