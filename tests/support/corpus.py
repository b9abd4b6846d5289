"""The planted corpus: a small fixed tree of sessions that holds every oddity of real transcripts, with known totals.

The totals are worked out by hand from docs/counting.md, beside the lines that make them; no program computed them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from tests.support.planted_subagents import AGENT_FILE, INLINE, PROGRESS, SUBAGENT_FILE
from tests.support.planted_talks import ALICE, BOB, ORPHAN, SUMMARY_ONLY, TURNS
from tests.support.planted_today import FORK, JOURNAL, TODAY, WORKFLOW_FILE
from tests.support.planted_trouble import TROUBLE
from tests.support.random_lines import Pool, session_lines
from tests.support.transcript_lines import HAIKU, OPUS, SONNET

__all__ = ["FILES", "SETTLED", "TOTALS", "Pool", "Spent", "Totals", "plant", "session_lines"]


@dataclass(frozen=True)
class Spent:
    """Calls and their tokens, those of their iterations too."""

    calls: int
    input_tokens: int
    output_tokens: int
    cache_creation_tokens: int
    cache_creation_1h_tokens: int
    cache_read_tokens: int
    web_search_requests: int


@dataclass(frozen=True)
class Totals:
    """What the planted tree counts up to."""

    spent: Spent
    by_user: dict[str, Spent]
    by_model: dict[str, Spent]
    by_day: dict[str, Spent]  #: In UTC.
    uses: dict[str, int]  #: Events by ``event_type``.
    commands: tuple[str, ...]  #: Names of the slash commands, sorted.
    failed_uses: int  #: Uses whose ``is_error`` is true.
    errors: dict[str, int]  #: Rows of ``errors`` by kind.
    error_tools: dict[str, int]  #: Rows of ``errors`` by tool.
    human_turns: dict[str, int]  #: By user.
    other_turns: dict[str, int]  #: By user.
    iterations: int  #: Rows of ``usage_messages`` that are no calls.
    lines: tuple[int, int]  #: Added and removed.
    pull_requests: dict[str, int]  #: Rows of ``usage_messages`` by pull request.
    unexplained: dict[tuple[str, str], tuple[int, int]]  #: Input and output by user and model, where there is any.
    files: int  #: Session files: rows of state.
    session_rows: int  #: Files that hold a record: rows of ``usage_sessions``.
    sessions: int  #: Different values of ``session_id`` in them.
    bad_lines: dict[str, int]  #: By user.


_GWENS = b"gwen/-home-gwen-shop/5b1f0a52-0008-4c1e-9d61-000000000010"

#: Path relative to the root, as bytes, to content; the journal is there and no session.
FILES: dict[bytes, bytes] = {
    b"alice/-home-alice-shop/5b1f0a52-0001-4c1e-9d61-00000000000a.jsonl": ALICE,
    b"bob/-home-bob-shop/5b1f0a52-0002-4c1e-9d61-00000000000b.jsonl": BOB,
    b"carol/-srv-api/5b1f0a52-0003-4c1e-9d61-00000000000c.jsonl": PROGRESS,
    b"carol/-srv-api/agent-0a1b2c3d.jsonl": AGENT_FILE,
    b"carol/-srv-api/5b1f0a52-0003-4c1e-9d61-00000000000c/subagents/agent-9f8e7d6c5b4a3210f.jsonl": SUBAGENT_FILE,
    b"dave/-home-dave-legacy/5b1f0a52-0004-4c1e-9d61-00000000000d.jsonl": INLINE,
    b"erin/-home-erin-notes/5b1f0a52-0005-4c1e-9d61-00000000000e.jsonl": TROUBLE,
    'frank/50% off: q1/r\u00e9sum\u00e9 "v2"\nfinal.jsonl'.encode(): TURNS,
    b"frank/caf\xe9/orphans.jsonl": ORPHAN,
    b"frank/only-a-summary.jsonl": SUMMARY_ONLY,
    b"frank/empty.jsonl": b"",
    b"frank/blank.jsonl": b"\n \t \n\r\n",
    _GWENS + b".jsonl": TODAY,
    _GWENS + b"/subagents/workflows/wf_1/agent-0c0ffee0.jsonl": WORKFLOW_FILE,
    _GWENS + b"/subagents/workflows/wf_1/journal.jsonl": JOURNAL,
    b"hal/C--Users-hal-src-shop/5b1f0a52-0009-4c1e-9d61-000000000011.jsonl": FORK,
}

#: What lies beside sessions and is none.
_NO_SESSIONS: dict[bytes, bytes] = {
    b"frank/notes.txt": b"not a session\n",
    b"frank/old.jsonl.bak": ALICE,
    b"alice/-home-alice-shop/tool-results/b1.txt": b"kept beside the session",
}

# Calls (input, output, cache creation, of it 1 h, cache read, web searches); letters as in the planted lines:
#   alice  A2 5 40 200 150 1000 2 | A3 7 8 0 0 500 | A4 3 4 | A5 2 6
#   bob    A1 10 25 100 (his copy has the most tokens) | B1 100 50 | B2 20 10
#   carol  C1 4 30 1000 | E0 3 3 200 | E1 6 9 300 | S1 8 12 | S2 1 2 0 0 3000
#   dave   D1 50 5 | D2 30 3 | D3 1 1 | D4 2 2 | D5 1 0
#   erin   T1 11 1 | T2 0 5
#   gwen   G1 5 9 | its advisor 40 3 | G2 7 2 30 10 | G3 1 1 | G4 2 4
#   hal    H1 3 3

#: The tree as it is planted: torn tails wait for their end.
TOTALS = Totals(
    spent=Spent(24, 322, 238, 1830, 160, 4500, 2),
    by_user={
        "alice": Spent(4, 17, 58, 200, 150, 1500, 2),
        "bob": Spent(3, 130, 85, 100, 0, 0, 0),
        "carol": Spent(5, 22, 56, 1500, 0, 3000, 0),
        "dave": Spent(5, 84, 11, 0, 0, 0, 0),
        "erin": Spent(2, 11, 6, 0, 0, 0, 0),
        "gwen": Spent(4, 55, 19, 30, 10, 0, 0),
        "hal": Spent(1, 3, 3, 0, 0, 0, 0),
    },
    by_model={
        OPUS: Spent(6, 163, 158, 1300, 150, 1000, 2),  # A1 A2 A5 B1 C1 G4 and the advisor
        SONNET: Spent(11, 117, 49, 30, 10, 500, 0),  # A3 A4 S1 D1 to D5 G1 G2 H1
        HAIKU: Spent(7, 42, 31, 500, 0, 3000, 0),  # B2 E0 E1 S2 T1 T2 G3
    },
    by_day={
        "2026-03-01": Spent(5, 27, 83, 300, 150, 1500, 2),  # A1 to A5
        "2026-03-02": Spent(6, 141, 114, 1500, 0, 0, 0),  # B1 B2 C1 E0 E1 S1
        "2026-03-03": Spent(6, 85, 13, 0, 0, 3000, 0),  # S2 D1 to D5
        "2026-03-04": Spent(2, 11, 6, 0, 0, 0, 0),  # T1 T2
        "2026-03-05": Spent(5, 58, 22, 30, 10, 0, 0),  # G1 to G4 H1
    },
    uses={"tool_use": 13, "skill": 1, "mcp_call": 1, "subagent": 2, "slash_command": 8},
    commands=("clear", "clear", "compact", "cost", "hidden", "rename", "review", "shop:deploy"),
    failed_uses=12,
    errors={
        "rejected": 2,
        "interrupted": 1,
        "exit_code": 2,
        "not_read": 1,
        "not_found": 1,
        "edit_mismatch": 1,
        "bad_input": 1,
        "timeout": 1,
        "denied": 1,
        "command_failed": 1,
        "other": 1,
    },
    error_tools={
        "mcp__tracker__search_issues": 1,
        "Edit": 2,
        "Bash": 3,
        "Read": 1,
        "Grep": 1,
        "Agent": 1,
        "Write": 2,
        "unknown": 2,  # the result of alice's last Bash came in bob's session; an orphan
    },
    human_turns={
        "alice": 5,  # two prompts, an answer that was not on offer, two queued sentences
        "bob": 1,  # what he copied from alice is hers
        "carol": 1,
        "dave": 2,  # a prompt and a refusal
        "erin": 1,
        "frank": 7,
        "gwen": 3,  # a prompt, a queued sentence, a refusal
        "hal": 1,
    },
    other_turns={"gwen": 2},  # another agent, and a job
    iterations=1,
    lines=(2, 1),
    pull_requests={"acme/shop#7": 5},
    unexplained={("gwen", HAIKU): (100, 20), ("hal", HAIKU): (50, 5)},
    files=15,
    session_rows=13,
    sessions=10,
    bad_lines={"erin": 47, "gwen": 1, "hal": 1},
)

#: The same tree when nothing has changed for longer than ``settle``: dave's last line is taken (a call of 1000 and 1
#: tokens), the one of frank's orphan file is JSON but cannot be read, erin's is no JSON and waits for ever.
SETTLED = replace(
    TOTALS,
    spent=Spent(25, 1322, 239, 1830, 160, 4500, 2),
    by_user={**TOTALS.by_user, "dave": Spent(6, 1084, 12, 0, 0, 0, 0)},
    by_model={**TOTALS.by_model, SONNET: Spent(12, 1117, 50, 30, 10, 500, 0)},
    by_day={**TOTALS.by_day, "2026-03-03": Spent(7, 1085, 14, 0, 0, 3000, 0)},
    bad_lines={**TOTALS.bad_lines, "frank": 1},
)

#: A modification time long ago (seconds): a file that has settled.
LONG_AGO = 1_600_000_000


def plant(root: Path, settled: bool = False) -> Totals:
    """Write the tree under ``root`` and say what it counts up to; ``settled``: as files that rest since long ago."""
    for relative, content in {**FILES, **_NO_SESSIONS}.items():
        path = os.path.join(os.fsencode(root), relative)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)
        if settled:
            os.utime(path, (LONG_AGO, LONG_AGO))
    return SETTLED if settled else TOTALS
