"""What every test has: quiet logs, the folder it was started in, and skips that can be made failures."""

from __future__ import annotations

import logging
import os
from collections.abc import Generator, Iterator

import pytest
import structlog

#: The folder of real transcripts that some tests read, where there is one.
SAMPLES = "SESSION_WATCHER_SAMPLES"


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--no-skips`: nothing may pass for tested that was not."""
    parser.addoption("--no-skips", action="store_true", help="a skipped test is a failure")


def pytest_configure(config: pytest.Config) -> None:
    """The program's warnings and errors are shown with a failure, not its everyday words."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests on real transcripts are left out, not skipped, where there are none."""
    if not os.environ.get(SAMPLES):
        wanted = [item for item in items if item.get_closest_marker("needs_samples") is None]
        config.hook.pytest_deselected(items=[item for item in items if item not in wanted])
        items[:] = wanted


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure where that is asked for."""
    report = yield
    if report.skipped and item.config.getoption("--no-skips"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and here that is a failure: {report.longrepr}"
    return report


@pytest.fixture(autouse=True)
def _home() -> Iterator[None]:
    """A test that goes elsewhere comes back: those after it would read another settings file."""
    home = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    yield
    os.fchdir(home)
    os.close(home)
