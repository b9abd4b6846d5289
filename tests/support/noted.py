"""People who note things for their agents."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.support.knowledge import Base, made
from watcher.knowledge.notes.job import CorporateMemory
from watcher.settings import Settings, load
from watcher.store.duck import DuckDatabase

PERSONAL = [
    "My wife Anna works on Fridays, so no calls then",
    "Please remember that my salary is 70k until the review",
    "Dentist on Tuesday at nine, do not plan deployments then",
    "Call me at +49 170 1234567 when the build is red",
    "Reports go to ann.miller@example.org every Monday",
    "I live at 12 Long Meadow Road and work from there",
    "my password for the wiki is the usual one",
    "I feel overwhelmed by the review queue these days",
    "I was diagnosed with asthma and take breaks at noon",
    "My daughter’s school ends at three every day",
    "Meine Frau holt die Kinder um drei Uhr ab",
    "IBAN for refunds: DE89 3704 0044 0532 0130 00",
]

OURS = [
    "Invoices are always sent in the customer's currency",
    "Releases happen on Tuesdays, never on Fridays",
    "The health checks of the gateway run every 10 seconds",
    "Amounts are kept in minor units since 01.02.2026 10:00",
    "The order service owns the retry policy, not the client",
    "Use Vault for every credential of a service",
    "Support tickets are answered within 4 hours",
    "Passwords are hashed with argon2 in the account service",
]


class Noted:
    """Homes, and the job that reads their notes into a knowledge base."""

    def __init__(self, folder: Path, base: Base, **given: Any) -> None:
        self.homes, self.base, self.given, self._folder = folder / "home", base, given, folder
        self.homes.mkdir()
        self.job = CorporateMemory(self.settings, base.writer)

    def settings(self) -> Settings:
        sources = [f"{self.homes}/*/CLAUDE.local.md", f"{self.homes}/*/projects/*/CLAUDE.local.md"]
        given = {"corporate_memory.sources": sources, "paths.state": self._folder / "state", **self.given}
        return load(None, {}, given).settings

    def write(self, text: str, user: str = "ann", name: str = "CLAUDE.local.md") -> Path:
        path = self.homes / user / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def run(self, **expected: Any) -> dict[str, Any]:
        stats = self.job.run()
        assert {name: stats[name] for name in expected} == expected, stats
        self.base.drain()
        return stats

    def evidence(self) -> dict[str, bool]:
        """Each quote of a note, and whether its source is gone."""
        return {quote: gone for _, _, quote, gone in self.base.evidence()}


@contextmanager
def noting(folder: Path) -> Iterator[Noted]:
    """Homes with notes, and a knowledge base that takes them."""
    database = DuckDatabase(folder / "knowledge.duckdb")
    try:
        base = made(database, folder / "backups")
        base.now = datetime.now(UTC)  # notes have the times of their files
        yield Noted(folder, base)
    finally:
        database.close()
