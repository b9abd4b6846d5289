"""The documentation is held to the code: what is not written down, or written down and not there, fails here."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.support import ROOT
from watcher.cli.app import app
from watcher.daemon import LiveService
from watcher.http.app import build, described
from watcher.plugins import discover
from watcher.settings import load
from watcher.settings.text import page

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXT = "\n".join(path.read_text(encoding="utf-8") for path in PAGES)


def commands(group: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command by its words."""
    context = typer.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if hasattr(command, "list_commands"):
            yield from commands(command, (*words, name))
        else:
            yield (*words, name)


def test_every_setting_is_in_the_documentation() -> None:
    """The page is the one that the program would write."""
    written = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert written == page(load(Path(os.devnull), {}, {})), "make settings writes it anew"


def test_every_command_is_in_the_documentation() -> None:
    """Under the words by which it is called; groups may be named with their commands after them."""
    for words in commands(typer.main.get_command(app)):
        *group, last = words
        pattern = r"session-watcher " + " ".join(group) + r"[ `]*[\w|-]*\b" + re.escape(last) + r"\b"
        assert re.search(pattern, TEXT) or re.search(rf"make {last}\b", TEXT), " ".join(words)


def test_the_commands_that_it_names_are_there() -> None:
    """Nothing is promised that the program does not know."""
    there = {" ".join(words) for words in commands(typer.main.get_command(app))}
    firsts = {words.split()[0] for words in there}
    for first, second in re.findall(r"session-watcher ([a-z][a-z-]+)(?: ([a-z][a-z-]+))?", TEXT):
        assert first in firsts, first
        if second and any(words.startswith(f"{first} ") for words in there):
            assert f"{first} {second}" in there, f"{first} {second}"


@pytest.fixture(scope="module")
def description(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The API's description, as a service that does not run gives it."""
    folder = tmp_path_factory.mktemp("described")
    service = LiveService(load(None, {}, {"paths.sessions": folder, "paths.state": folder / "state"}))
    try:
        yield described(build(service, "token"))
    finally:
        service.core.stop()


def test_the_api_is_in_the_documentation(description: dict[str, Any]) -> None:
    """Every request with every parameter, and none that is not there."""
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    rows = {f"{method} {path}": row for method, path, row in re.findall(r"^\| ([A-Z]+) `(/[^`]+)` (\|.*)$", page, re.M)}
    requests = {
        f"{method.upper()} {path}": operation
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    }
    assert set(rows) == set(requests)
    for request, operation in requests.items():
        assert operation["summary"] and operation.get("description"), f"{request}: what is it for?"
        for parameter in operation.get("parameters", []):
            name = parameter["name"]
            assert f"`{name}`" in rows[request] or f"{{{name}}}" in request, f"{request}: {name}"
    assert description["security"] and description["paths"]["/api/health"]["get"]["security"] == []


def test_every_refusal_is_in_the_documentation(description: dict[str, Any]) -> None:
    """Each status that any request may be answered with."""
    table = (ROOT / "docs" / "api.md").read_text(encoding="utf-8").partition("## Refusals")[2]
    for path, methods in description["paths"].items():
        for operation in methods.values():
            for status in operation["responses"]:
                assert status in ("200", "201") or re.search(rf"^\| .*\b{status}\b", table, re.M), f"{path}: {status}"


def test_every_processor_is_in_the_documentation() -> None:
    """Whoever finds one in the settings can read what it is for."""
    for name in discover():
        assert f"`{name}`" in TEXT, name


def test_every_finding_is_in_the_operators_guide() -> None:
    """Whoever reads a name in health finds what it means and what to do."""
    guide = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    code = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "watcher").rglob("*.py")))
    names = set(re.findall(r'Finding\(\s*(?:level|"\w+"),\s*"(\w+)"', code)) | {"observer_deaf", "observer_partial"}
    assert {"lag", "quarantined", "scheduler_dead", "unknown_models"} <= names and len(names) > 15
    told = set(re.findall(r"`(\w+)`", "\n".join(line for line in guide.splitlines() if line.startswith("| `"))))
    assert names <= told, names - told


def test_its_links_lead_somewhere() -> None:
    """Files that one page names to the next are there."""
    for path in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (path.parent / target).exists(), f"{path.name}: {target}"
