"""Sessions with subagents and forks on the pages: marked in the list, and leading to one another."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

from tests.bench.pages import signed_in
from tests.support.listener import until
from tests.support.served import served
from tests.support.told import NEW, copied, said, spoke
from tests.support.transcript_lines import Talk, line

ASIDE = Talk("s1", "/home/ann/shop", NEW.version, sidechain=True, agent_id="1")
FILES = {
    "ann/s1.jsonl": [said(0, "mend the till"), spoke(1, 10, "a")],
    "ann/s1/subagents/agent-1.jsonl": [spoke(2, 20, "b", ASIDE)],
    "ann/s2.jsonl": [copied(spoke(1, 10, "a"), "s2"), spoke(3, 30, "c", Talk("s2", "/home/ann/shop"))],
    "ann/s3.jsonl": [copied(spoke(4, 10, "d", Talk("gone", "/x")), "s3")],
}


def test_a_family_is_told_of_on_its_pages(tmp_path: Path) -> None:
    """Titles, whose subagent a file is, what was forked from what, cost without and with; unknown parents by name."""
    for key, records in FILES.items():
        path = tmp_path / "sessions" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(map(line, records)))
    with served(tmp_path) as service:
        query = service.live.core.query
        until(lambda: query("SELECT count(*) FROM usage_files", []) == [(len(FILES),)], "all to be taken")
        cookie = {"cookie": signed_in(service)}

        def page(path: str) -> str:
            answer = service.ask("GET", path, token=None, headers=cookie)
            assert answer.status == 200, path
            return answer.body.decode()

        listed = page("/sessions")
        assert "mend the till" in listed and ">subagent<" in listed and listed.count(">fork<") == 2
        main, agent, fork, orphan = (page(f"/sessions/one?{urlencode({'session': key})}") for key in FILES)
        assert "Its subagents:" in main and "agent-1.jsonl</a>" in main and "With subagents" in main
        assert "A subagent of" in agent and "s1.jsonl</a>" in agent
        assert "Forked from" in fork and "s1.jsonl</a>" in fork
        assert "gone, which is not known here" in orphan
        usage = page("/usage?since=")
        assert all(f'id="{name}"' in usage for name in ("asked_by", "efforts", "plugins", "mcp_tools", "pull_requests"))
        assert "Active users" in usage
