"""One finding among several."""

from __future__ import annotations

import re

from watcher.health.findings import Finding

#: Words with which a person is told what to do, or that nothing is to be done.
WHAT_TO_DO = re.compile(
    r"\b(restart|see|free|raise|let|make room|look at|delete|mend|run|runs|set|sysctl|remount|by itself|"
    r"at its next turn|and is found again|retry)\b",
    re.IGNORECASE,
)


def one(found: list[Finding], name: str) -> Finding:
    """The one finding of this name; it says what to do."""
    (finding,) = [finding for finding in found if finding.name == name]
    assert WHAT_TO_DO.search(finding.message), f"{name} does not say what to do: {finding.message}"
    return finding
