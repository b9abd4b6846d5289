"""Where a session stands: who is meant by a name, and a sentence on why it is not counted for every state of a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.harness import Subject
from tests.support.processes import call, lines
from watcher.errors import NoSuchSession
from watcher.sessions import status as session_status
from watcher.transcripts.sessions import NotASession, Tree, open_session

#: More than a processor may use where it may use next to nothing.
BIG = b" " * 4_000_000 + call("big")
ONLY_USAGE = {"processors.errors.enabled": False, "processors.verification.enabled": False}


@pytest.fixture
def subject(tmp_path: Path) -> Iterator[Subject]:
    (tmp_path / "sessions" / "ann").mkdir(parents=True)
    made = Subject(tmp_path / "sessions", tmp_path / "state", {"retry.first": "1h", **ONLY_USAGE})
    yield made
    made.close()


def why(subject: Subject, name: str = "ann/a.jsonl") -> str:
    """What is said of a session that the one processor there is looks after."""
    core = subject.open()
    key = session_status.find(core.query, core.tree, name)
    found = session_status.session(core.query, core.tree, core.versions(), key)
    (sentence,) = [one["meaning"] for one in found["processors"]]
    return str(sentence)


def test_every_state_of_a_file_has_its_sentence(subject: Subject) -> None:
    """Each row of the truth table, before the change is taken up: what is missing, and what happens next."""
    path = subject.root / "ann" / "a.jsonl"
    path.write_bytes(lines(["m1", "m2"]))
    assert "Never taken" in why(subject)
    subject.catch_up(["usage"])
    assert why(subject) == "Taken whole."

    def append() -> None:
        with path.open("ab") as file:
            file.write(call("m3"))

    def tear() -> None:
        with path.open("ab") as file:
            file.write(call("m4")[:40])

    def replace() -> None:
        new = path.with_suffix(".new")
        new.write_bytes(path.read_bytes())
        os.replace(new, path)

    changes: list[tuple[str, Callable[[], Any], str, str]] = [
        ("appended", append, "256 bytes wait", "Taken whole."),
        ("torn", tear, "40 bytes wait", "40 bytes wait"),
        ("its end", lambda: path.write_bytes(lines(["m1", "m2", "m3", "m4"])), "bytes wait", "Taken whole."),
        ("rewritten", lambda: path.write_bytes(lines(["x1", "x2", "x3", "x4"])), "written or replaced", "Taken whole."),
        ("replaced", replace, "written or replaced", "Taken whole."),
        ("truncated", lambda: path.write_bytes(call("x1")), "become shorter", "Taken whole."),
        ("deleted", path.unlink, "gone", "gone; its rows stay. sessions forget erases them"),
        ("back", lambda: path.write_bytes(call("x1")), "there again", "Taken whole."),
        ("emptied", lambda: path.write_bytes(b""), "become shorter", "Taken whole."),
        ("bad line", lambda: path.write_bytes(b"}{\n" + call("x1")), "bytes wait", "1 line could not be read"),
    ]
    for name, change, before, after in changes:
        change()
        assert before in why(subject), name
        subject.catch_up(["usage"])
        assert after in why(subject), name


def test_failures_are_told_with_their_reason_and_what_happens_next(subject: Subject) -> None:
    """Failed: when it is tried again. Put aside: after how many attempts, and what frees it."""
    path = subject.root / "ann" / "a.jsonl"
    path.write_bytes(BIG)
    subject.overrides |= {"processors.usage.memory_limit": "1KB"}
    subject.catch_up(["usage"])
    said = why(subject)
    assert said.startswith("Failed once: ") and "memory_limit" in said and "It is tried again at 20" in said
    subject.close()
    subject.overrides |= {"retry.max_attempts": 2}
    path.write_bytes(BIG + call("m2"))
    subject.catch_up(["usage"])
    said = why(subject)
    assert said.startswith("Quarantined after 2 attempts: ") and "memory_limit" in said and "sessions retry" in said
    path.unlink()
    subject.catch_up(["usage"])
    assert "gone" in why(subject)


def test_a_processor_that_is_not_enabled_says_so(subject: Subject) -> None:
    """What it has made stays; one that has made nothing is not spoken of."""
    (subject.root / "ann" / "a.jsonl").write_bytes(call("m1"))
    subject.catch_up(["usage"])
    subject.close()
    subject.overrides |= {"processors.usage.enabled": False, "processors.errors.enabled": True}
    core = subject.open()
    found = session_status.session(core.query, core.tree, core.versions(), "ann/a.jsonl")
    told = {one["processor"]: one["meaning"] for one in found["processors"]}
    assert told.keys() == {"errors", "usage"} and "not enabled" in told["usage"] and "Never taken" in told["errors"]


NAMES = (
    "99677899-aa.jsonl", "99677899-bb.jsonl", "100%41 b.jsonl", "tab\there.jsonl", "x:y.jsonl", "é☃.jsonl", "-x.jsonl",
)  # fmt: skip


@pytest.mark.parametrize("node", ["", "n1"])
@pytest.mark.parametrize("taken", [True, False], ids=["taken", "never taken"])
def test_a_session_is_found_by_its_key_its_path_or_a_part(tmp_path: Path, node: str, taken: bool) -> None:
    """Whatever stands in its name, and whether it was ever taken; the key is the one under which it is kept."""
    folder = tmp_path / "sessions" / "ann"
    folder.mkdir(parents=True)
    for name in NAMES:
        (folder / name).write_bytes(call(name))
    subject = Subject(tmp_path / "sessions", tmp_path / "state", {"node.name": node, **ONLY_USAGE})
    try:
        core = subject.open()
        if taken:
            subject.catch_up(["usage"])
        for name in NAMES:
            key = core.tree.key(os.fsencode(f"ann/{name}"))
            means = [key, f"ann/{name}"]
            if taken:  # parts are looked for among what is known
                means += [name, name.removesuffix(".jsonl"), name[1:]] if name[0] != "9" else [name[-8:], name[:-6]]
            for text in means:
                assert session_status.find(core.query, core.tree, text) == key, text
        if taken:
            with pytest.raises(NoSuchSession, match=r"may mean several.*99677899-aa.*99677899-bb"):
                session_status.find(core.query, core.tree, "99677899")
    finally:
        subject.close()


OUTSIDE = ("../outside.jsonl", "ann/../../outside.jsonl", "%2e%2e/outside.jsonl", "..%2Foutside.jsonl")


@pytest.mark.parametrize(
    "text", ["", ".", "..", "/", "ann", "ann/", "ann/a.jsonl/", "ann//a.jsonl", "ann/./a.jsonl", "ann/b.txt",
             "ann/folder.jsonl", "ann/link.jsonl", "\0", "ann/a.jsonl\0", "ann/%00.jsonl", *OUTSIDE],
)  # fmt: skip
def test_what_is_no_session_is_not_taken_for_one(subject: Subject, text: str) -> None:
    """Folders, links, other files, and whatever lies outside the sessions folder: by no name is it reached."""
    outside = subject.root.parent / "outside.jsonl"
    outside.write_bytes(call("secret"))
    (subject.root / "ann" / "a.jsonl").write_bytes(call("m1"))
    (subject.root / "ann" / "b.txt").write_bytes(call("m2"))
    (subject.root / "ann" / "folder.jsonl").mkdir()
    (subject.root / "ann" / "link.jsonl").symlink_to(outside)
    core = subject.open()
    with pytest.raises(NoSuchSession, match=r"no session is named"):
        session_status.find(core.query, core.tree, text)


def test_no_name_leads_out_of_the_sessions_folder(tmp_path: Path) -> None:
    """Not even where a key of such a name is asked for: neither looked at nor opened."""
    (tmp_path / "sessions" / "ann").mkdir(parents=True)
    (tmp_path / "outside.jsonl").write_bytes(call("secret"))
    tree = Tree(tmp_path / "sessions")
    for path in (
        b"../outside.jsonl",
        b"ann/../../outside.jsonl",
        b"",
        b"ann/\0.jsonl",
        os.fsencode(tmp_path / "o.jsonl"),
    ):
        assert tree.signature(path) is None
        with pytest.raises(NotASession):
            open_session(os.fsencode(tree.root), path)


def test_listing_is_narrowed_by_each_filter_and_counted(subject: Subject) -> None:
    """Processor, status, user and a part of the key; at most so many, and how many there are in all."""
    (subject.root / "bob").mkdir()
    for name in ("ann/a.jsonl", "ann/b.jsonl", "bob/a.jsonl"):
        (subject.root / name).write_bytes(call(name))
    subject.catch_up(["usage"])
    (subject.root / "ann" / "b.jsonl").unlink()
    subject.catch_up(["usage"])

    def keys(**chosen: Any) -> tuple[list[str], int]:
        found = session_status.listing(subject.open().query, session_status.SessionFilter(**chosen))
        return sorted(one["session"] for one in found["sessions"]), found["total"]

    assert keys() == (["ann/a.jsonl", "ann/b.jsonl", "bob/a.jsonl"], 3)
    assert keys(user="ann") == (["ann/a.jsonl", "ann/b.jsonl"], 2)
    assert keys(status="gone") == (["ann/b.jsonl"], 1)
    assert keys(text="a.jsonl", user="bob") == (["bob/a.jsonl"], 1)
    assert keys(processor="errors") == ([], 0)
    assert len(keys(limit=2)[0]) == 2 and keys(limit=2)[1] == 3
    assert keys(text="%") == ([], 0)
