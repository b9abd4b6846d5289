"""The unit file, as systemd itself reads it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT

pytestmark = pytest.mark.faults

UNIT = ROOT / "deploy" / "session-watcher.service"
#: systemd's own measure, from 0 (shut in) to 10 (open to everything); up to 2 it calls the best grade but one.
EXPOSED_AT_MOST = 2.0


def test_systemd_takes_it_without_a_word(tmp_path: Path) -> None:
    """Every key is known, every value can be read; only the program's place is this machine's own."""
    text = UNIT.read_text(encoding="utf-8")
    program = Path(sys.executable).with_name("session-watcher")
    placed = re.sub(r"(?m)^ExecStart=\S+", f"ExecStart={program}", text)
    placed = re.sub(r"(?m)^Documentation=.*\n", "", placed)
    assert placed.count(str(program)) == 1
    (tmp_path / UNIT.name).write_text(placed)
    verified = _analyze("verify", "--man=no", str(tmp_path / UNIT.name))
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")
    (tmp_path / UNIT.name).write_text(placed.replace("WatchdogSec=60s", "WatchdogSec=soon"))
    assert "soon" in _analyze("verify", "--man=no", str(tmp_path / UNIT.name)).stderr, "it says what is wrong"


def test_it_is_shut_in() -> None:
    """What the service does not need is taken from it."""
    told = _analyze("security", "--offline=true", str(UNIT)).stdout
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", told)
    assert found is not None and float(found[1]) <= EXPOSED_AT_MOST, told[-200:]


def _analyze(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, timeout=60, check=False)
