"""The doctor, where the kernel itself is short of something."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.kernel import lowered
from watcher.census import MAX_WATCHES
from watcher.cli.doctor import examine
from watcher.settings.follow import Sources

pytestmark = pytest.mark.faults


def test_too_few_watches_are_named_with_the_setting(tmp_path: Path) -> None:
    """How many directories there are, how many watches, and what to set; not while there are enough."""
    for n in range(30):
        (tmp_path / "sessions" / str(n)).mkdir(parents=True)
    sources = Sources(None, {}, {"paths.sessions": tmp_path / "sessions", "paths.state": tmp_path / "state",
                                 "health.min_free_disk": "1KB"})  # fmt: skip
    with lowered(MAX_WATCHES, 32):
        report = examine(sources)
    (one,) = [check for check in report["checks"] if check["name"] == "watch limit"]
    assert (report["status"], one["level"]) == ("degraded", "warning")
    assert "31 directories" in one["message"] and f"sysctl {MAX_WATCHES}=" in one["message"]
    (one,) = [check for check in examine(sources)["checks"] if check["name"] == "watch limit"]
    assert one["level"] == "ok"
