"""What the tests of the whole path share: a browser, and commands in the test's own process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.support.browsed import CHROMIUM
from tests.support.command_line import Run, in_this_process

#: Milliseconds: machines that test are slow.
expect.set_options(timeout=20_000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, without a window."""
    if not CHROMIUM:
        pytest.skip("no browser: apt-get install chromium, or set SESSION_WATCHER_CHROMIUM=/path/to/chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        )
        yield started
        started.close()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in the test's own process, which is twenty times as fast as in one of its own."""
    return in_this_process(tmp_path, monkeypatch, capsys)
