"""People with homes, and the collector that visits them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from watcher.collector.job import Collector
from watcher.settings import Settings, load


@dataclass
class Homes:
    """Homes, a sessions folder, and a collector between them."""

    base: Path
    given: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.homes, self.sessions = self.base / "home", self.base / "sessions"
        self.homes.mkdir()
        self.sessions.mkdir()
        self.collector = Collector(self.settings)

    def settings(self) -> Settings:
        given = {
            "paths.sessions": self.sessions,
            "health.min_free_disk": "1KB",
            "collector.sources": [
                f"{self.homes}/*/.claude/projects/**/*.jsonl",
                f"{self.homes}/*/.claude/projects/**/subagents/*.meta.json",
                f"{self.homes}/*/user/sessions/*.jsonl",
            ],
            **self.given,
        }
        return load(None, {}, given).settings

    def source(self, name: str, user: str = "ann") -> Path:
        """A file of a user's projects."""
        return self.homes / user / ".claude" / "projects" / name

    def write(self, name: str, content: bytes, user: str = "ann") -> Path:
        """Write such a file, with what lies above it, and let it rest so long that its times tell."""
        path = self.source(name, user)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def run(self, **how: bool) -> dict[str, Any]:
        """Collect; what was done."""
        _, stats = self.collector.run(**how)
        return stats

    def copies(self) -> dict[str, bytes]:
        """Every copy, by its path."""
        files = [path for path in self.sessions.rglob("*") if path.is_file()]
        return {str(path.relative_to(self.sessions)): path.read_bytes() for path in files}


def done(stats: dict[str, Any]) -> dict[str, int]:
    """What was done, without what was not."""
    return {name: value for name, value in stats.items() if value and name not in ("details", "users_processed")}


def reasons(stats: dict[str, Any]) -> str:
    return "\n".join(f"{one['user']}: {one['path']}: {one['reason']}" for one in stats["details"])
