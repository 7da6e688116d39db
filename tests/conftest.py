"""Options and fixtures that several areas share."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme
from hypothesis import settings

# A busy machine is not a failure; what is too slow is measured in benchmarks/.
settings.register_profile("omniroute", deadline=None)
# HYPOTHESIS_PROFILE=ci looks longer: for a run that nobody waits for, with --timeout=0.
settings.register_profile("ci", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "omniroute"))

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="rewrite the expectations of golden cases; review the diff like code",
    )


def pytest_configure() -> None:
    """Sources are compiled once, by whoever comes first: the tests in each of their processes, and
    the product at each of some hundred starts. Collecting makes a million objects that stay:
    nothing is to be looked for among them."""
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    gc.disable()


def pytest_collection_finish() -> None:
    """What a test leaves is looked for again, without what was there before all of them."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def no_public_authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing here asks the public network; reading its authorities takes every client 50 ms."""
    file = tmp_path_factory.mktemp("authority") / "authority.pem"
    trustme.CA().cert_pem.write_to_path(file)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(file))
        yield


@pytest.fixture(scope="session", autouse=True)
def no_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What servers note for commands is not for the home of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state-home")))
        yield


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-golden"))


@pytest.fixture
def golden(update_golden: bool) -> Callable[[str, str], None]:
    """`golden(path below tests/golden, text)`: equal to the file, or rewritten on request."""

    def compare(name: str, text: str) -> None:
        file = GOLDEN / name
        if update_golden:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        assert text == file.read_text(encoding="utf-8")

    return compare
