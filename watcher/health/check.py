"""The health check: looks at every part and gathers the findings."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from watcher.collector.job import Collector
from watcher.health import expiring, findings, lag
from watcher.health.findings import Finding
from watcher.jobs.runner import Jobs
from watcher.knowledge.notes.job import CorporateMemory
from watcher.knowledge.service import Knowledge
from watcher.pipeline import outdated
from watcher.pipeline.pipeline import Pipeline
from watcher.plugins import RefusedProcessor
from watcher.settings import Settings
from watcher.store.database import Database, read
from watcher.store.job_log import JobLog
from watcher.store.sql import QUERIES
from watcher.transcripts.sessions import Looks, Tree, node_of


@dataclass(slots=True)
class HealthCheck:
    """The parts that it looks at, and what the last comparison of the whole tree found."""

    settings: Callable[[], Settings]
    pipelines: Callable[[], Mapping[str, Pipeline]]
    refused: Callable[[], Sequence[RefusedProcessor]]
    tree: Tree
    look: Looks
    database: Database
    job_log: JobLog
    jobs: Jobs
    collector: Collector
    notes: CorporateMemory
    knowledge: Knowledge
    _behind: list[Finding] = field(default_factory=list, init=False)

    def run(self) -> dict[str, Any]:
        """Compare the whole tree with the tables, and gather the findings; ready for JSON."""
        self.compare()
        found = self.findings()
        return {"status": findings.verdict(found), "findings": [asdict(finding) for finding in found]}

    def compare(self) -> None:
        """Compare the whole tree with the tables: what is behind is among the findings from now on."""
        every = {
            name: float(pipeline.plan.settings.sweep_every)
            for name, pipeline in self.pipelines().items()
            if pipeline.unconfigured is None  # which has a finding of its own
        }
        listing = self.look()
        behind = lag.of_files(self.database, listing, every, time.time())
        self._behind = behind + findings.of_links(listing.links, listing.links_count)
        self.note_expiring()

    def note_expiring(self) -> None:
        """Note which transcripts of a person's own folder are about to expire."""
        if expiring.is_own(self.tree):
            at = self.look(), self.pipelines(), time.time()
            expiring.note_own(self.job_log, self.database, self.tree, self.settings(), *at)

    def findings(self) -> list[Finding]:
        """Everything that is not as it should be."""
        now, state = time.monotonic(), self.settings().paths.state
        found = [finding for pipeline in self.pipelines().values() for finding in findings.of_pipeline(pipeline, now)]
        found += findings.of_jobs(self.jobs.running(now), self.jobs.failures(), self.job_log.trouble)
        found += findings.of_collector(self.collector.last)
        found += findings.of_notes(self.notes.last)
        found += self._behind
        found += self._of_knowledge()
        found += findings.of_refused(self.refused())
        found += findings.of_disk(state, self.settings().health.min_free_disk)
        found += findings.of_damage(state, self.database.notices)
        try:
            return found + self._of_tables()
        except self.database.Error as error:
            message = f"The database cannot be read: {error}. See to the disk, or restore a backup."
            return [*found, Finding("unhealthy", "database", message)]

    def _of_knowledge(self) -> list[Finding]:
        try:
            owed = self.knowledge.owed()
        except self.database.Error:
            owed = None  # that the database cannot be read is a finding of its own
        return findings.of_knowledge(self.knowledge.trouble, self.knowledge.died(), owed)

    def _of_tables(self) -> list[Finding]:
        now = time.time()
        tallies = self._query(QUERIES["tallies"])
        found = findings.of_sessions(tallies) + findings.of_clock(tallies, now)
        found += findings.of_earlier(outdated.of_all(self._query, self.pipelines(), node_of(self.tree.key(b""))))
        known = expiring.known(self._query, self.tree, self.settings())
        return found + expiring.findings_of(known, now, expiring.is_own(self.tree))

    def _query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return read(self.database, sql, parameters)
