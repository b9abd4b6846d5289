"""What a look at the tree is compared with is the same on both databases: what a sweep offers, and what is behind."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from tests.support.harness import Subject
from watcher.health import lag


def test_both_databases_compare_alike(tmp_path: Path, database_url: str) -> None:
    """New, changed, vanished and untouched files, one name with every odd sign, of one node among several."""
    root = tmp_path / "sessions"
    (root / "ann").mkdir(parents=True)
    names = ["same", "changed", "gone", "odd 'name' \\ \"100%\" a:b\n"]
    for name in names:
        (root / "ann" / f"{name}.jsonl").write_text("{}\n")
    given = {"node.name": "north", **({"database.url": database_url} if database_url else {})}
    subject = Subject(root, tmp_path / "state", given)
    try:
        first = subject.catch_up()
        assert [(one.scanned, one.errors) for one in first] == [(4, 0)] * len(first)
        core = subject.open()
        connection = core.database.connect()
        with connection.transaction():  # another machine's, and one from before there were nodes
            for key in ("south:ann/else.jsonl", "ann/else.jsonl"):
                connection.execute(
                    "INSERT INTO session_processor_state (processor_name, session_file, username, status, attempts,"
                    " items_extracted, processed_bytes, bad_lines) VALUES ('usage', $1, 'ann', 'ok', 0, 0, 0, 0)",
                    [key],
                )
        connection.close()
        usage = core.pipelines["usage"]
        assert usage.sweep("nothing changed").offered == set()

        (root / "ann" / "changed.jsonl").write_text("{}\n{}\n")
        (root / "ann" / "gone.jsonl").unlink()
        (root / "ann" / "new.jsonl").write_text("{}\n")
        found = usage.sweep("changes")
        assert found.offered == {f"north:ann/{name}.jsonl" for name in ("changed", "gone", "new")}
        assert (found.scanned, found.vanished) == (4, 1)

        later = time.time() + 100
        behind = lag.of_files(core.database, core.look(), {"nobody": 0.5}, later)
        assert [one.name for one in behind] == ["lag", "never_taken"]
        assert behind[1].details == {"processor": "nobody", "files": 4}
        assert "north:ann/changed.jsonl" in behind[1].message
        shutil.rmtree(root / "ann")
        assert lag.of_files(core.database, core.look(), {"nobody": 0.5}, later) == []
    finally:
        subject.close()
