"""Rule files in a project: each whole, only ours, and none of them anything else than text."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from watcher.knowledge.pull import FOLDER, files, pull
from watcher.knowledge.rendering import clean_for_agents, rule


def item(number: int, title: str, content: str, status: str = "approved") -> dict[str, Any]:
    """One item of a bundle."""
    return {
        "item_id": f"kv_{number:012x}", "title": clean_for_agents(title), "text": rule(title, content),
        "domain": "data", "status": status, "confidence": 0.9,
    }  # fmt: skip


def bundle(*items: dict[str, Any]) -> dict[str, Any]:
    return {"items": list(items), "tokens": 0, "left_out": 0}


def there(project: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (project / FOLDER).iterdir()}


ALL = bundle(item(1, "One", "first", "mandatory"), item(2, "Two", "second", "mandatory"), item(3, "Three", "third"),
             item(4, "Fourth", "four"))  # fmt: skip


def test_a_file_for_each_mandatory_item_and_one_for_the_approved(tmp_path: Path) -> None:
    """By name, in the bundle's order."""
    assert sorted(pull(ALL, tmp_path).written) == ["km_approved.md", "km_kv_000000000001.md", "km_kv_000000000002.md"]
    found = there(tmp_path)
    assert "# One\n\nOne: first\n" in found["km_kv_000000000001.md"]
    assert found["km_approved.md"].endswith("- Three: third\n- Fourth: four\n")


def test_pulled_twice_nothing_changes(tmp_path: Path) -> None:
    """Not even a time."""
    pull(ALL, tmp_path)
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / FOLDER).iterdir()}
    inodes = {path.name: path.stat().st_ino for path in (tmp_path / FOLDER).iterdir()}
    again = pull(ALL, tmp_path)
    assert (again.written, again.removed, len(again.unchanged)) == ([], [], 3)
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / FOLDER).iterdir()} == before
    assert {path.name: path.stat().st_ino for path in (tmp_path / FOLDER).iterdir()} == inodes


def test_what_is_no_longer_served_goes_also_when_nothing_is(tmp_path: Path) -> None:
    """And nothing but that: other people's files stay, however alike their names."""
    foreign = ("mine.md", "km_notes.md", "km_kv_1.md", "km_approved.md.bak", "xkm_approved.md", "km_kv_00000000000g.md")
    pull(ALL, tmp_path)
    for name in foreign:
        (tmp_path / FOLDER / name).write_text("mine")
    assert pull(bundle(item(2, "Two", "second", "mandatory")), tmp_path).removed == [
        "km_approved.md", "km_kv_000000000001.md",
    ]  # fmt: skip
    assert set(there(tmp_path)) == {*foreign, "km_kv_000000000002.md"}
    assert pull(bundle(), tmp_path).removed == ["km_kv_000000000002.md"]
    assert there(tmp_path) == dict.fromkeys(foreign, "mine")


def test_where_nothing_is_served_nothing_is_made(tmp_path: Path) -> None:
    """No empty folders in a project."""
    assert pull(bundle(), tmp_path).written == []
    assert list(tmp_path.iterdir()) == []


def test_a_link_in_a_rule_files_place_is_replaced_and_not_followed(tmp_path: Path) -> None:
    """To a file, to nothing, in a circle; also where it is no longer served, and where what it shows is the same."""
    outside = tmp_path / "outside"
    project = tmp_path / "project"
    folder = project / FOLDER
    folder.mkdir(parents=True)
    outside.write_text(files(ALL)["km_approved.md"])
    (folder / "km_approved.md").symlink_to(outside)
    (folder / "km_kv_000000000001.md").symlink_to(tmp_path / "nothing")
    (folder / "km_kv_000000000002.md").symlink_to("km_kv_000000000002.md")
    (folder / "km_kv_00000000000f.md").symlink_to(outside)
    kept = outside.read_text()
    done = pull(ALL, project)
    assert len(done.written) == 3 and done.removed == ["km_kv_00000000000f.md"]
    assert outside.read_text() == kept and not (tmp_path / "nothing").exists()
    assert not any(path.is_symlink() for path in folder.iterdir()) and there(project) == files(ALL)


def test_a_pull_that_fails_leaves_each_file_old_or_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before each replacement in turn: no half file, and no rest of one."""
    old = bundle(item(1, "One", "old " * 50, "mandatory"), item(3, "Three", "old " * 50))
    new = bundle(item(1, "One", "new", "mandatory"), item(3, "Three", "new"))
    replace = os.replace
    for survive in range(2):
        project = tmp_path / str(survive)
        pull(old, project)
        left = [survive]

        def failing(source: Any, target: Any, left: list[int] = left, **folders: int) -> None:
            if not left[0]:
                raise OSError(28, "No space left on device")
            left[0] -= 1
            replace(source, target, **folders)

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", failing)
            with pytest.raises(OSError, match="No space"):
                pull(new, project)
        found = there(project)
        assert set(found) == set(files(old))
        for name, text in found.items():
            assert text in (files(old)[name], files(new)[name])
        assert sum(text == files(new)[name] for name, text in found.items()) == survive
        pull(new, project)
        assert there(project) == files(new)


HOSTILE = (
    "# A heading", "## x\n# y", "- item", "* item", "+ item", "1. item", "12) item", "> quote", "```sh", "~~~", "---",
    "===", "___", "***", "| a | b |", "<script>alert(1)</script>", "</rules>", "<!-- comment", "--> end", "<?php",
    "<![CDATA[", "<|im_start|>system", "[a]: https://example.com", "@~/.ssh/id_rsa", "see @/etc/passwd", "(@x.md)",
    "\tcode", "    code", "a\n\n# b", "a\r\n- b", "a\u2028# b", "a\x0b# b", "a\x85# b", "\u200b# hidden", "<b>bold</b>",
    "[^1]: note", "\\# x", "<https://example.com>", "{{ x }}", "$(rm)", "% x", ": x",
)  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_a_rules_text_is_a_paragraph_and_nothing_else(text: str) -> None:
    """As a Markdown reader sees it: no other block, no tag, no link definition; and no file that is read too."""
    for title, content in ((text, "fact"), ("fact", text), (text, text)):
        made = files(bundle(item(1, title, content, "mandatory"), item(2, title, content), item(3, "last", "one")))
        parser = MarkdownIt("commonmark")
        environment: dict[str, Any] = {}
        for name, kinds in (
            ("km_kv_000000000001.md", ["html_block", "heading_open", "paragraph_open"]),
            (
                "km_approved.md",
                ["html_block", "heading_open", "bullet_list_open", *["list_item_open", "paragraph_open"] * 2],
            ),
        ):
            tokens = parser.parse(made[name], environment)
            assert [one.type for one in tokens if one.type.endswith(("_open", "_block", "hr", "fence"))] == kinds, made[
                name
            ]
            inner = [child.type for one in tokens for child in one.children or ()]
            assert "html_inline" not in inner
            for line in made[name].splitlines():
                assert not any(word.lstrip("([{'\"").startswith("@") for word in line.split()), line
        assert not environment.get("references")
        assert made["km_approved.md"].splitlines()[-1] == "- last: one"
        assert len(made["km_approved.md"].splitlines()) == 6


def test_random_texts_stay_what_they_are(tmp_path: Path) -> None:
    """A reader sees the words that were reviewed."""
    rng = random.Random(11)
    print("seed 11")
    for _ in range(200):
        text = "".join(rng.choice("ab #>-*_`<>@[](){}\n\t!|=~.1)\\&é") for _ in range(rng.randrange(1, 30)))
        made = files(bundle(item(1, "fact", "x" + text, "mandatory")))
        assert len(made["km_kv_000000000001.md"].splitlines()) == 5


def test_files_can_be_read_by_everybody_in_the_project(tmp_path: Path) -> None:
    """As files that an editor makes, whatever a temporary file may be."""
    pull(ALL, tmp_path)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / FOLDER).iterdir()} == {0o644}
