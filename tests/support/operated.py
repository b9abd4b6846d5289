"""A service that an operator looks after."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.processes import Place

SETTINGS: dict[str, dict[str, Any]] = {
    "http": {"port": 0},
    "health": {"min_free_disk": "1KB"},
    "retry": {"first": "300ms", "max_attempts": 2},
    "processors.usage": {"quiet": "100ms", "sweep_every": "1h"},
    "processors.errors": {"quiet": "100ms", "sweep_every": "1h"},
    "processors.verification": {"quiet": "100ms", "sweep_every": "1h"},
}


@dataclass
class Operated(Place):
    """A place whose settings stand in a file, as an operator has them."""

    def surroundings(self) -> dict[str, str]:
        """Nothing but the file decides."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("WATCHER_", "SCHEDULER_"))}
        return {**kept, **self.environment}

    def write(self, **changes: dict[str, Any]) -> None:
        """Write the file, with these changes to what the tests go by; tables are named with ``__`` for dots."""
        tables: dict[str, dict[str, Any]] = {"paths": {"sessions": str(self.sessions), "state": str(self.state)}}
        for name, table in [*SETTINGS.items(), *((name.replace("__", "."), table) for name, table in changes.items())]:
            tables[name] = {**tables.get(name, {}), **table}
        text = "".join(
            f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())
            for name, table in tables.items()
        )
        part = self.file.with_suffix(".part")
        part.write_text(text)
        part.replace(self.file)

    @property
    def file(self) -> Path:
        """The settings file, where commands look for it by themselves."""
        return self.sessions.parent / "settings.toml"

    def calls(self) -> int:
        """API calls counted so far."""
        return sum(row[2] for row in self.json("usage", "users")["rows"])

    def states(self, session: str) -> dict[str, str]:
        """A session's status with each processor."""
        found = self.json("sessions", "show", session)
        return {one["processor"]: one.get("status", "unknown") for one in found["processors"]}


def in_force(place: Operated, table: str, key: str) -> str:
    """A setting of the running service, as it goes by it."""
    rows = place.ask("/api/settings").get("settings", [])
    return "".join(row["value"] for row in rows if (row["table"], row["key"]) == (table, key))
