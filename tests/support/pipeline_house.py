"""A pipeline with its threads, on a processor that obeys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from processors.contract import Extraction, ProcessorSettings, Work
from tests.support.databases import SCHEMA
from tests.support.worker_bench import Place
from watcher.pipeline.backoff import Retry
from watcher.pipeline.pipeline import Cadence, Pipeline, Plan, RunDetails
from watcher.transcripts.sessions import Listing, Tree

#: As `once` paces itself.
AT_ONCE = Cadence(quiet=0.0, max_wait=0.0, max_pending=1000, settle=60.0, second_look=0.0)


class Stranger:
    """What the service knows of the processor; it runs in child processes only."""

    name = "stranger"
    version = 1
    settings = ProcessorSettings
    schema = SCHEMA

    def extract(self, work: Work) -> Extraction:
        raise AssertionError("no stranger's code in this process")


class House(Place):
    """A place with pipelines."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(folder, monkeypatch)
        self.pipelines: list[Pipeline] = []
        self.looks: list[Callable[[], object]] = []
        self.gate = folder / "gate"
        #: An order: wait until the gate is there.
        self.waits = f"while not os.path.exists({str(self.gate)!r}): time.sleep(0.005)"

    def look(self) -> Listing:
        """The tree, after whatever a test wants to happen first."""
        for happens in self.looks:
            happens()
        return Tree(self.root).list()

    def pipeline(self, start: bool = True, **pace: Any) -> Pipeline:
        plan = Plan(ProcessorSettings(), {}, replace(AT_ONCE, **pace), Retry(30.0, 3600.0, 3))
        made = Pipeline(Stranger(), plan, Tree(self.root), self.look, self.database)
        self.pipelines.append(made)
        if start:
            made.start()
        return made

    def end(self) -> None:
        self.gate.touch()
        for pipeline in self.pipelines:
            pipeline.stop()
            assert pipeline.finish(20)


def numbers(details: RunDetails) -> dict[str, int]:
    """What is not zero."""
    names = ("scanned", "processed", "skipped", "capped", "errors", "items_extracted")
    return {name: getattr(details, name) for name in names if getattr(details, name)}
