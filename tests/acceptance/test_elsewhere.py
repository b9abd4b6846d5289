"""On other systems than Linux: nothing that only Linux has is needed to begin."""

from __future__ import annotations

import subprocess
import sys

from tests.support import ROOT
from tests.support.modules import LINUX_ONLY, PATHS


def test_every_module_can_be_imported_where_linux_is_not() -> None:
    """Nothing that only Linux has is touched at start: all modules load in an interpreter that lacks it."""
    modules = [module for module in PATHS if module != "watcher.__main__"]
    script = f"""
import importlib, os, select, signal, socket, time, resource
for owner, names in {LINUX_ONLY!r}.items():
    if owner != "selectors":
        for name in names:
            vars(globals()[owner]).pop(name, None)
for module in {modules!r}:
    importlib.import_module(module)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
