"""Writes a bundle where agents read it: rule files below a project's ``.claude/rules``."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from watcher.files.atomic_replace import Replacement

#: Where an agent looks for rules, below a project's folder.
FOLDER = Path(".claude", "rules")
_OURS = re.compile(r"km_(?:kv_[0-9a-f]{12}|approved)\.md\Z")
_HEAD = "<!-- Written by session-watcher knowledge pull; changes here are lost. -->\n"


@dataclass(slots=True)
class Pulled:
    """What a pull did, by file name."""

    written: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)


def files(bundle: Mapping[str, Any]) -> dict[str, str]:
    """A bundle as files: one for each mandatory item, one for all approved ones."""
    made = {}
    approved = []
    for item in bundle["items"]:
        if item["status"] == "mandatory":
            made[f"km_{item['item_id']}.md"] = f"{_HEAD}\n# {_heading(item['title'])}\n\n{_paragraph(item['text'])}\n"
        else:
            approved.append(f"- {_paragraph(item['text'])}\n")
    if approved:
        made["km_approved.md"] = f"{_HEAD}\n# What this organisation knows\n\n{''.join(approved)}"
    return made


def pull(bundle: Mapping[str, Any], project: Path) -> Pulled:
    """Bring a project's rule files up to date; run twice it changes nothing.

    Each file is old or new, never half of either. Files that are served no more go, also when none is; others
    in the folder are left alone.

    Raises:
        OSError: the folder cannot be written.
    """
    folder = project / FOLDER
    wanted = files(bundle)
    done = Pulled()
    if wanted:
        folder.mkdir(parents=True, exist_ok=True)
    for name, text in wanted.items():
        if _holds(folder / name, text):
            done.unchanged.append(name)
        else:
            _replace(folder / name, text)
            done.written.append(name)
    if folder.is_dir():
        for path in sorted(folder.iterdir()):
            if _OURS.match(path.name) and path.name not in wanted:
                path.unlink()
                done.removed.append(path.name)
    return done


def _holds(path: Path, text: str) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    return path.read_bytes() == text.encode()


def _replace(path: Path, text: str) -> None:
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # A name of its own: two may pull at once.
        with Replacement(path.name, folder, f".km_{secrets.token_hex(8)}.part", 0o644) as made:
            os.fchmod(made.descriptor, 0o644)  # whatever the umask: agents of all users read it
            with open(made.descriptor, "wb", closefd=False) as file:
                file.write(text.encode())
            made.take_place()
    finally:
        os.close(folder)


def _heading(title: str) -> str:
    return _inline(title.lstrip("#").strip())


def _paragraph(text: str) -> str:
    """Text that cannot begin anything but a paragraph."""
    return re.sub(r"^(?:(?=[#>\-+*=`~|_\[])|(\d+)(?=[.)]))", r"\1\\", _inline(text))


def _inline(text: str) -> str:
    """Text in which nothing is a tag or a comment, nor the name of a file that an agent would read too (``@path``)."""
    return re.sub(r"<(?=[A-Za-z/!?|])|(?<![^\s(\[{\"'])@(?=\S)", r"\\\g<0>", text)
