"""A processor that cannot work as it is set, or whose allowance is used up: it waits, says so, and loses nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from processors.contract import ModelAccess
from tests.support.listener import until
from tests.support.pipeline_house import House, numbers
from watcher.errors import ProcessorUnconfigured
from watcher.health.findings import of_pipeline
from watcher.jobs.runner import Jobs
from watcher.pipeline.pipeline import Pipeline
from watcher.store.job_log import JobLog, RunFilter, runs
from watcher.store.migrations import migrate

MISSING = "no model is set"
REFUSES = 'from processors.contract import Unconfigured\nraise Unconfigured("the key is not accepted")'
PAUSES = """\
from processors.contract import Paused
if not os.path.exists({gate!r}):
    raise Paused("the day's tokens are used up", {seconds})
"""


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    made = House(tmp_path, monkeypatch)
    yield made
    made.end()
    made.database.close()


def asking(house: House) -> Pipeline:
    """A pipeline whose processor asks a model, so that its child is given one session at a time."""
    pipeline = house.pipeline(start=False)
    pipeline.change(replace(pipeline.plan, model=ModelAccess("anthropic:some")))
    pipeline.start()
    return pipeline


def findings(pipeline: Pipeline) -> dict[str, str]:
    return {found.name: found.message for found in of_pipeline(pipeline, time.monotonic())}


def test_what_is_known_to_be_missing(house: House) -> None:
    """No session is read and none marked, whoever asks is told, and what changes meanwhile is taken once it is set."""
    keys = [house.write(f"s{n}", "{}\n") for n in range(3)]
    pipeline = house.pipeline()
    configured = pipeline.plan
    pipeline.change(replace(configured, unconfigured=MISSING))
    pipeline.queue.owe("events were lost")
    pipeline.queue.offer(keys[0], time.monotonic())
    for ask in (lambda: pipeline.run_now(60), lambda: pipeline.sweep("clock")):
        with pytest.raises(ProcessorUnconfigured, match=f"stranger is not configured: {MISSING}"):
            ask()
    assert not pipeline.owes() and pipeline.alive()
    assert MISSING in findings(pipeline)["unconfigured"]
    assert house.calls() == [] and house.rows() == {} and all(house.state(key) is None for key in keys)
    pipeline.change(configured)
    assert "unconfigured" not in findings(pipeline)
    until(lambda: house.rows() == {keys[0]: 1}, "what had changed to be taken by itself")
    assert pipeline.owes() and numbers(pipeline.run_now(20))["scanned"] == 3
    assert house.rows() == dict.fromkeys(keys, 1)


def test_what_turns_out_to_be_missing(house: House) -> None:
    """The processor finds out itself: nothing is held against a session, and who asks tries it again."""
    keys = [house.write(f"s{n}", "{}\n") for n in range(3)]
    for key in keys:
        house.tell(key, REFUSES)
    pipeline = asking(house)
    for times in (1, 2):
        with pytest.raises(ProcessorUnconfigured, match="the key is not accepted"):
            pipeline.run_now(60)
        assert len(house.calls()) == times  # one is enough to know
        assert list(findings(pipeline)) == ["unconfigured"]
        with pytest.raises(ProcessorUnconfigured):
            pipeline.sweep("clock")
    assert all(house.state(key) is None for key in keys) and pipeline.tally().failed == 0
    for key in keys:
        house.tell(key, "pass")
    assert numbers(pipeline.run_now(20)) == {"scanned": 3, "processed": 3, "items_extracted": 3}
    assert findings(pipeline) == {}


def test_other_settings_are_tried_at_once(house: House) -> None:
    """What was refused may be taken with another model: nobody waits for the next try."""
    key = house.write("a", "{}\n")
    house.tell(key, REFUSES)
    pipeline = house.pipeline()
    with pytest.raises(ProcessorUnconfigured):
        pipeline.run_now(60)
    house.tell(key, "assert work.model.model == 'anthropic:other', work.model")
    pipeline.change(replace(pipeline.plan, model=ModelAccess("anthropic:other", timeout=3.0)))
    until(lambda: house.rows() == {key: 1}, "the session to be taken with the other model")


def test_an_allowance_that_is_used_up(house: House) -> None:
    """A run does not wait for a long pause, and says why and what is left; no session is to blame."""
    keys = [house.write(f"s{n}", "{}\n") for n in range(3)]
    for key in keys:
        house.tell(key, PAUSES.format(gate=str(house.gate), seconds=3600))
    pipeline = asking(house)
    details = pipeline.run_now(60)
    assert numbers(details) == {"scanned": 3, "capped": 3, "errors": 1}
    assert details.errors_detail == [{"session": keys[0], "error": "it waits: the day's tokens are used up"}]
    assert "the day's tokens are used up" in findings(pipeline)["processor_waits"]
    assert len(house.calls()) == 1 and all(house.state(key) is None for key in keys)


def test_an_allowance_comes_back_by_itself(house: House) -> None:
    """After the pause, and not before; everything that waited is taken, without an attempt to its name."""
    keys = [house.write(f"s{n}", "{}\n") for n in range(3)]
    for key in keys:
        house.tell(key, PAUSES.format(gate=str(house.gate), seconds=1.5))
    pipeline = house.pipeline()
    began = time.monotonic()
    pipeline.sweep("clock")
    until(lambda: pipeline.trouble() is not None, "it to find out")
    house.gate.touch()
    until(lambda: len(house.rows()) == 3, "all to be taken")
    assert time.monotonic() - began >= 1.5
    assert all(house.stands(key).attempts == 0 and house.stands(key).status == "ok" for key in keys)


def test_a_job_that_is_not_configured_is_recorded_with_its_sentence(house: House) -> None:
    """And is no failed job: health has a finding of its own for it."""
    migrate(house.database, house.root.parent / "backups")
    job_log = JobLog(house.database)
    jobs = Jobs(job_log)

    def work() -> dict[str, int]:
        raise ProcessorUnconfigured("stranger", MISSING)

    jobs.add("session-processor:stranger", work)
    with pytest.raises(ProcessorUnconfigured):
        jobs.run("session-processor:stranger", "asked")
    jobs.by_the_clock("session-processor:stranger")
    found = runs(house.database.connect().execute, RunFilter())
    assert [(run["outcome"], run["error"]) for run in found] == [
        ("failed", f"stranger is not configured: {MISSING}")
    ] * 2
    assert jobs.failures() == {}
    job_log.close()
