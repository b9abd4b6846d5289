"""The rooms: imports run one way, the spine names no processor, and no room outgrows itself."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import resolve_name

from tests.support import ROOT
from tests.support.modules import LINUX_ONLY, PATHS
from watcher.plugins import RefusedProcessor, discover

#: What people call a room that has no purpose of its own.
BANNED = {"utils", "helpers", "manager", "engine", "common", "core"}
FACES = ("watcher.cli", "watcher.http")
#: What a processor may see beside its own package.
SHARED = {
    "processors.llm",
    "processors.contract",
    "processors.known",
    "processors.lines",
    "processors.records",
    "processors.redaction",
    "processors.speech",
    "processors.transcript",
    "processors.text_features",
}
#: What authors' tests inherit: it tries a processor with the whole service, so no processor may need it.
FOR_TESTS = "processors.testing"
#: Where the spine says a processor's name, and why it may.
NAMED = {
    ("watcher.settings", "OPERATORS"): "operators' variables were named after processors before there were settings",
    ("watcher.store.legacy", ""): "it moves what these processors of an earlier generation left behind",
}
#: Of libc.
LINUX_CALLS = {"prctl", "inotify_init", "inotify_init1", "inotify_add_watch", "fanotify_init"}


@dataclass(frozen=True)
class Import:
    """A module that another one imports."""

    module: str
    line: int
    #: Whether it is done when the importing module is.
    at_start: bool


@cache
def trees() -> dict[str, ast.Module]:
    """Every module of ours, parsed: when a test asks, not by everybody who collects."""
    return {module: ast.parse(path.read_text(encoding="utf-8")) for module, path in PATHS.items()}


@cache
def imports() -> dict[str, list[Import]]:
    """What each module of ours imports."""
    return {module: list(_imports(module)) for module in PATHS}


def _imports(module: str) -> Iterator[Import]:
    package = module if PATHS[module].name == "__init__.py" else module.rpartition(".")[0]
    inside = {
        id(node)
        for function in ast.walk(trees()[module])
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for node in ast.walk(function)
        if isinstance(node, (ast.Import, ast.ImportFrom))
    }
    for node in ast.walk(trees()[module]):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = resolve_name("." * node.level + (node.module or ""), package) if node.level else str(node.module)
            whole = [f"{base}.{alias.name}" for alias in node.names]
            found = [name if name in PATHS else base for name in whole]
        else:
            continue
        for name in found:
            yield Import(name, node.lineno, id(node) not in inside)


SPINE = [name for name in PATHS if name.startswith("watcher.") and not name.startswith((*FACES, "watcher.__main__"))]


def chain(start: str) -> dict[str, list[str]]:
    """Every module of ours that one needs, with the way there."""
    ways = {start: [start]}
    waiting = [start]
    for module in waiting:
        for found in imports()[module]:
            if found.module in PATHS and found.module not in ways:
                ways[found.module] = [*ways[module], found.module]
                waiting.append(found.module)
    return ways


def floors() -> list[list[str]]:
    """The rooms from the top down, as CONTRIBUTING.md has them."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (sentence,) = re.findall(r"Imports run one way: (.*?);", text)
    return [re.findall(r"`(\w+)`", floor) for floor in sentence.split("→")]


def test_imports_run_one_way() -> None:
    """No room needs one above it, by whatever way; CONTRIBUTING.md has the place of each."""
    level = {room: number for number, floor in enumerate(floors()) for room in floor}
    rooms = {module: module.split(".")[1] for module in PATHS if module.startswith("watcher.")}
    assert set(level) == set(rooms.values()) - {"__main__"}, "CONTRIBUTING.md ranks every room that is there"
    upward = []
    for module, room in rooms.items():
        if room in level:
            for found, way in chain(module).items():
                if level.get(rooms.get(found, ""), len(level)) < level[room]:
                    upward.append(" → ".join(way))
    assert not upward, "these imports go up:\n" + "\n".join(upward)


def test_the_package_itself_holds_what_ties_the_rooms() -> None:
    """At most seven modules stand in ``watcher/`` beside its rooms."""
    modules = {path.name for path in (ROOT / "watcher").glob("*.py")} - {"__init__.py"}
    assert len(modules) <= 7, modules


def test_nobody_needs_a_face() -> None:
    """Only the faces and ``python -m watcher`` import commands and pages."""
    for module, found in imports().items():
        if not module.startswith((*FACES, "watcher.__main__")):
            assert not [one for one in found if one.module.startswith(FACES)], module


def test_no_import_runs_in_a_circle() -> None:
    """Not even through imports that are done when a function is called."""
    for module in PATHS:
        for found in imports()[module]:
            if found.module in PATHS:
                way = chain(found.module).get(module)
                assert way is None, f"a circle: {' → '.join([module, *(way or [])])}"


def test_processors_see_the_contract_alone() -> None:
    """The standard library, other people's packages, what all processors share, and themselves: nothing else."""
    others = [module for module in PATHS if not module.startswith(FOR_TESTS)]
    assert not [module for module in others for found in imports()[module] if found.module.startswith(FOR_TESTS)]
    for module in PATHS:
        if not module.startswith("processors.") or module.startswith(FOR_TESTS):
            continue
        own = ".".join(module.split(".")[:2])
        allowed = SHARED if own in SHARED else {*SHARED, own}
        for found in imports()[module]:
            top = found.module.split(".")[0]
            assert top not in ("watcher", "tests"), f"{module}:{found.line} imports {found.module}"
            if top == "processors":
                home = ".".join(found.module.split(".")[:2])
                assert home in allowed, f"{module}:{found.line} imports {found.module}"


def test_the_spine_imports_no_processor_and_faces_only_reports() -> None:
    """The spine knows the contract; faces read a processor of ours through its reports."""
    for module in PATHS:
        if module.startswith("watcher"):
            for found in imports()[module]:
                home = ".".join(found.module.split(".")[:2])
                if found.module.startswith("processors.") and home not in SHARED:
                    assert module not in SPINE, f"{module}:{found.line} imports {found.module}"
                    assert f"{found.module}.".startswith(f"{home}.reports."), (
                        f"{module}:{found.line} imports {found.module}"
                    )


def processor_words() -> tuple[set[str], set[str]]:
    """The names of all processors, and of their tables and views."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {"verification", *project["entry-points"]["session_watcher.processors"]}
    tables: set[str] = set()
    for processor in discover().values():
        assert not isinstance(processor, RefusedProcessor), processor
        tables |= set(processor.schema.tables)
    for views in (ROOT / "processors").rglob("views.sql"):
        tables |= set(re.findall(r"CREATE OR REPLACE VIEW (\w+)", views.read_text(encoding="utf-8")))
    return names, tables - names


def test_the_spine_never_names_a_processor() -> None:
    """Neither as a string nor by its tables nor as an attribute, but where a reason is written down above."""
    names, tables = processor_words()
    assert {"usage", "errors"} <= names and "usage_messages" in tables
    word = re.compile(rf"\bprocessors\.(?:{'|'.join(names)})\b|\b(?:{'|'.join(tables)})\b")
    excused = set()
    for module in SPINE:
        for statement in trees()[module].body:
            targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
            place = getattr(statement, "name", None) or getattr(targets[0], "id", "")
            docs = {id(n.value) for n in ast.walk(statement) if isinstance(n, ast.Expr)}
            for node in ast.walk(statement):
                said = None
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
                    said = node.value if node.value in names or word.search(node.value) else None
                elif isinstance(node, ast.Attribute) and node.attr in names:
                    said = ast.unparse(node) if ast.unparse(node.value).endswith("processors") else None
                homes = [key for key in NAMED if key[1] in ("", place) and f"{module}.".startswith(f"{key[0]}.")]
                if said is not None and homes:
                    excused.update(homes)
                else:
                    assert said is None, f"{module}, in {place or 'its body'}: {said}"
    assert excused == set(NAMED), "an exception that nothing needs"
    for sql in (ROOT / "watcher").rglob("*.sql"):
        text = sql.read_text(encoding="utf-8")
        if sql.parent.name == "knowledge" or sql.parent.parent.name == "knowledge":
            text = text.replace("knowledge_inbox", "")  # for the reason above
        assert not word.search(text) and not re.search(rf"'(?:{'|'.join(names)})'", text), sql


def test_what_is_loaded_when_used_says_why() -> None:
    """An import inside a function has a comment beside or above it; it hides no circle and is no habit."""
    for module in PATHS:
        lines = PATHS[module].read_text(encoding="utf-8").splitlines()
        late = {found.line for found in imports()[module] if not found.at_start}
        for line in sorted(late):
            first = line
            while first - 1 in late:  # one comment for imports in a row
                first -= 1
            comments = [text.partition("#")[2] for text in (lines[line - 1], lines[first - 2]) if "#" in text]
            said = [text for text in comments if not re.match(r"\s*(noqa|type:|fmt:)", text) and len(text.split()) > 2]
            assert said, f"{module}:{line}: {lines[line - 1].strip()}: why not at the top?"


def test_rooms_have_names_of_their_own_and_stay_small() -> None:
    """No drawer for odds and ends, and no module over 400 lines."""
    for module, path in PATHS.items():
        for part in module.split("."):
            words = {word.rstrip("s") for word in part.split("_")} | {part}
            assert not words & {word.rstrip("s") for word in BANNED}, module
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, module


#: What a unit test does without: a database, another process, an observer, a server, threads.
IMPURE = {"duckdb", "psycopg", "subprocess", "multiprocessing", "threading", "socket", "psutil", "playwright", "httpx2"}
IMPURE_ROOMS = ("watcher.app", "watcher.daemon", "watcher.store.duck", "watcher.store.open", "watcher.sandbox.process")
IMPURE_SUPPORT = ("harness", "listener", "model_server", "processes", "served")


def test_unit_tests_are_pure_and_stand_where_their_room_does() -> None:
    """A folder for each room; nothing in it starts anything."""
    rooms = {path.parent.name for path in (ROOT / "watcher").glob("*/__init__.py")} | {"processors", "support"}
    impure = {*IMPURE, *IMPURE_ROOMS, *(f"tests.support.{name}" for name in IMPURE_SUPPORT)}
    seen = 0
    for path in (ROOT / "tests" / "unit").rglob("test_*.py"):
        seen += 1
        assert path.parent.name in rooms, path
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            named = [one.name for one in node.names] if isinstance(node, (ast.Import, ast.ImportFrom)) else []
            module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            met = {module, module.partition(".")[0], *named, *(f"{module}.{name}" for name in named)} & impure
            assert not met, (path, met)
    assert seen > 20


def test_no_test_is_imported() -> None:
    """What tests share stands in `tests/support`."""
    for path in (ROOT / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            named = [module, *(f"{module}.{one.name}" for one in getattr(node, "names", ()))] if module else []
            assert not [one for one in named if re.match(r"tests\..*\.test_\w+$", one)], (path, named)


def test_log_events_are_names() -> None:
    """A log event is `snake_case`; what it tells stands in fields."""
    seen = 0
    for module, tree in trees().items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
                continue
            event = node.args[0]
            if ast.unparse(node.func.value) == "log" and isinstance(event, ast.Constant):
                seen += 1
                assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", str(event.value)), (module, event.value)
    assert seen > 50, "the test no longer sees what it looks for"


def test_no_public_class_name_stands_twice() -> None:
    """A name leads to one class."""
    found: dict[str, list[str]] = {}
    for module, tree in trees().items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found.setdefault(node.name, []).append(module)
    twice = {name: modules for name, modules in found.items() if len(modules) > 1}
    assert not twice


def test_no_file_name_stands_twice_in_a_room() -> None:
    """Nor does a file's name within one folder of `watcher/` and those below it."""
    for room in (ROOT / "watcher").iterdir():
        names = [path.name for path in room.rglob("*.py") if path.name != "__init__.py"]
        assert len(names) == len(set(names)), room


def _guarded(module: str) -> Iterator[tuple[ast.Attribute, bool]]:
    """Every attribute that is looked up, and whether it is first asked if this system has it."""

    def visit(node: ast.AST, safe: bool) -> Iterator[tuple[ast.Attribute, bool]]:
        if isinstance(node, ast.Attribute):
            yield node, safe
        asked = isinstance(node, (ast.If, ast.IfExp)) and re.search(r"hasattr\(|sys\.platform", ast.unparse(node.test))
        caught = isinstance(node, ast.Try) and any("AttributeError" in ast.unparse(h) for h in node.handlers)
        body = getattr(node, "body", []) if asked or caught else []
        for child in ast.iter_child_nodes(node):
            inside = any(child is one for one in (body if isinstance(body, list) else [body]))
            yield from visit(child, safe or inside)

    yield from visit(trees()[module], False)


def test_what_only_linux_has_is_asked_for_first() -> None:
    """It also runs on a Mac: every use of what only Linux has stands behind a question."""
    met = set()
    for module in PATHS:
        for node, safe in _guarded(module):
            owner = ast.unparse(node.value)
            if node.attr in LINUX_CALLS or node.attr in LINUX_ONLY.get(owner, ()):
                met.add(node.attr)
                assert safe, f"{module}:{node.lineno}: {owner}.{node.attr} without asking"
        for found in imports()[module]:
            stranger = "" if found.module in PATHS else found.module
            assert not re.search(r"inotify|^spwd$|^ossaudiodev$|^systemd|^prctl", stranger), (module, found)
    assert {"prctl", "memfd_create"} <= met, "the test no longer sees what it looks for"
