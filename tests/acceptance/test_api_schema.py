"""The API is as it describes itself: requests made from the description, good and bad, find nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import call
from tests.support.served import TOKEN, served

#: Always the same requests; another number makes others.
SEED = 20260301
#: What the description cannot say: names of things that are there, disks that are full.
CONFIG = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 400, 401, 403, 404, 409, 413]

[warnings]
enabled = false
"""


#: What the requests are made of. Every value at and beyond its bounds (coverage) takes minutes.
PHASES = os.environ.get("SESSION_WATCHER_PHASES", "examples,fuzzing")
#: Which paths are asked together: two halves, made at the same time.
PARTS = {
    "the knowledge": ("--include-path-regex", "^/api/knowledge"),
    "the rest": ("--exclude-path-regex", "^/api/knowledge"),
}


@pytest.mark.parametrize("part", PARTS)
def test_requests_made_from_its_description_find_nothing(tmp_path: Path, part: str) -> None:
    """No failure of the server, no answer or status that is not described, nothing bad taken nor good refused."""
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG)
    with served(tmp_path) as service:
        (service.sessions / "ann").mkdir()
        (service.sessions / "ann" / "0f4e7d2a.jsonl").write_bytes(call("m1") + b"not json\n")
        service.until_calls(1)
        done = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(config)),
                *("run", f"{service.url}/api/openapi.json", "--header", f"Authorization: Bearer {TOKEN}"),
                *PARTS[part],
                *("--seed", str(SEED), "--max-examples", "5"),
                *("--phases", PHASES, "--suppress-health-check", "all"),
                *("--request-timeout", "20", "--continue-on-failure", "--no-color"),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
    print(done.stdout)
    assert done.returncode == 0, f"seed {SEED}\n{done.stdout[-6000:]}{done.stderr[-2000:]}"
    assert "No issues found" in done.stdout and " 0 generated" not in done.stdout
