"""``processors``: which plug-ins are installed, a new one's scaffold, and a dry run of one."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from processors.contract import Processor, Table
from watcher.cli import output_processors as shown
from watcher.cli import scaffold
from watcher.cli.options import AsJson, SettingsPath, State, examples, group, in_force, print_json
from watcher.errors import ProcessorFailed, SettingsError
from watcher.plugins import RefusedProcessor, discover, name_fault, origins
from watcher.sandbox import protocol
from watcher.sandbox.process import Child, ChildSettings, ChildStartError
from watcher.settings.tables import Settings, model_access, own
from watcher.transcripts.sessions import Tree

app = group("processors")


@app.command("list", epilog=examples("processors list", "processors list --json"))
def list_(settings: SettingsPath = None, as_json: AsJson = False) -> None:
    """Every installed processor, and what is wrong with those that cannot be used."""
    found = listed(in_force(settings))
    print_json(found) if as_json else shown.processors(found["processors"])


@app.command(epilog=examples("processors new branches", "processors new branches --folder ~/work/branches --json"))
def new(
    name: Annotated[str, typer.Argument(help="Its name: lower-case letters, digits and _.")],
    folder: Annotated[Path | None, typer.Option(help="A new folder for it (default: one of its name, here).")] = None,
    as_json: AsJson = False,
) -> None:
    """Write a processor that works, with its table, view, setting and tests: to be changed into your own."""
    place = folder or Path(name)
    if fault := name_fault(name):
        raise SettingsError(fault)
    if place.exists() or place.is_symlink():
        raise SettingsError(f"{place} is there already; name a new folder with --folder")
    files = scaffold.write(place, name)
    if as_json:
        print_json({"processor": name, "folder": str(place), "files": [str(file) for file in files]})
    else:
        print(f"{place} holds {name}. Next: cd {place} && pip install -e '.[test]' && pytest")


@app.command(
    "try",
    epilog=examples(
        "processors try usage ~/sessions/ann/shop/99677899.jsonl",
        "processors try errors ~/sessions/ann/shop/99677899.jsonl --json",
    ),
)
def try_(
    name: Annotated[str, typer.Argument(help="A processor that is installed.")],
    file: Annotated[Path, typer.Argument(help="A transcript.")],
    settings: SettingsPath = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """The rows that one transcript gives; nothing is stored. A model that the processor asks is really asked."""
    found = tried(in_force(settings, state), name, file)
    print_json(found) if as_json else shown.tried(found)


def listed(settings: Settings) -> dict[str, Any]:
    """Each processor with its version, origin and tables, and what is wrong with it."""
    whose = origins()
    return {"processors": [_described(settings, name, one, whose[name]) for name, one in discover().items()]}


def _described(settings: Settings, name: str, one: Processor | RefusedProcessor, whose: str) -> dict[str, Any]:
    told: dict[str, Any] = {"processor": name, "version": None, "distribution": whose, "tables": [], "enabled": False}
    if isinstance(one, RefusedProcessor):
        return {**told, "error": one.reason, "traceback": one.trace}
    told |= {"version": one.version, "tables": list(one.schema.tables), "enabled": settings.processor(name).enabled}
    return {**told, "error": None, "traceback": None}


def tried(settings: Settings, name: str, file: Path) -> dict[str, Any]:
    """What a processor makes of a file, in its child process as the service would start it, and by table.

    Raises:
        SettingsError: there is no such processor or file.
        ProcessorFailed: in a sentence, what is wrong with the processor.
    """
    processor = discover().get(name)
    if processor is None:
        raise SettingsError(f"no processor is named {name!r}; there are {', '.join(discover())}")
    if isinstance(processor, RefusedProcessor):
        raise ProcessorFailed(f"{name}: {processor.reason}")
    if not file.is_file():
        raise SettingsError(f"{file}: there is no such file")
    path = file.resolve()
    tree = Tree(path.parent, "users")
    chosen = settings.processor(name)
    child = Child(
        ChildSettings(
            name,
            os.fsencode(tree.root),
            own(settings, name),
            float(chosen.deadline),
            int(chosen.memory_limit),
            0.0,
            asdict(model_access(settings)) if chosen.asks_model else None,
            tree.layout,
        )
    )
    key = tree.key(os.fsencode(path.name))
    job: protocol.Job | None = protocol.Job(
        key, tree.username(key), os.fsencode(path.name), 0, None, (None,) * 4, True, True, None
    )
    rows = {table: _Rows(declared) for table, declared in processor.schema.tables.items()}
    found: dict[str, Any] = {"processor": name, "version": processor.version, "session": key}
    found |= {"items": 0, "bad_lines": 0, "bytes": 0, "carry": {}, "after": []}
    try:
        while job is not None:
            job = _pass(child, job, found, rows)
    except ChildStartError as error:
        raise ProcessorFailed(f"{name}: {error}") from None
    finally:
        child.close()
    return {**found, "tables": {table: made.rows() for table, made in rows.items()}}


def _pass(child: Child, job: protocol.Job, found: dict[str, Any], rows: dict[str, _Rows]) -> protocol.Job | None:
    """Take what one pass gives; the next pass, where the processor left some for it."""
    following = None
    for _, reply in child.run([job], lambda: False):
        if not isinstance(reply, protocol.Window):
            said = getattr(reply, "error", None) or getattr(reply, "reason", "the file changed while it was read")
            raise ProcessorFailed(f"{found['processor']}: {found['session']}: {said}")
        found["items"] += reply.items
        found["bad_lines"] += reply.bad_lines
        found["bytes"] = reply.processed_bytes
        found["carry"] = msgspec.json.decode(reply.carry)
        found["after"] += [{"statement": statement, "parameters": given} for statement, given in reply.after]
        for table, lines in reply.rows.items():
            rows[table].put(lines)
        for table, positions in reply.withdrawn.items():
            rows[table].withdraw(set(positions))
        if reply.more:
            taken = reply.processed_bytes, reply.file_hash, reply.signature
            following = protocol.Job(job.key, job.username, job.path, *taken, False, True, reply.carry)
    return following


class _Rows:
    """A table's rows as they would be stored: the later of two with one key stays."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._rows: dict[Any, dict[str, Any]] = {}
        self._put = 0

    def put(self, lines: bytes) -> None:
        for line in lines.splitlines():
            row = msgspec.json.decode(line)
            self._put += 1
            self._rows[tuple(row[column] for column in self._table.key) or self._put] = row

    def withdraw(self, positions: set[int]) -> None:
        self._rows = {key: row for key, row in self._rows.items() if row["position"] not in positions}

    def rows(self) -> list[dict[str, Any]]:
        return [{column: row.get(column) for column in self._table.columns} for row in self._rows.values()]
