"""Health: what is not as it should be, each with what to do about it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from watcher.errors import ended
from watcher.homes.stats import VisitTally
from watcher.knowledge.notes.job import Read
from watcher.pipeline.outdated import Earlier
from watcher.pipeline.pipeline import Pipeline
from watcher.plugins import RefusedProcessor

Level = Literal["info", "warning", "unhealthy"]

#: A worker or committer that has not moved for this much longer than its deadline is late.
LATE = 60.0
#: Clocks that are further apart than this make times wrong, in seconds.
SKEW = 5.0
#: A job that has run for so long hangs.
HANGS = 3600.0


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a person should know."""

    level: Level
    name: str
    #: What is wrong, and what to do: one or two sentences.
    message: str
    #: The figures in it, for programs.
    details: Mapping[str, Any] = field(default_factory=dict)


def verdict(findings: Iterable[Finding]) -> str:
    """``ok``, ``degraded`` or ``unhealthy``: the worst of the findings."""
    levels = {finding.level for finding in findings}
    return "unhealthy" if "unhealthy" in levels else "degraded" if "warning" in levels else "ok"


def of_refused(refused: Iterable[RefusedProcessor]) -> list[Finding]:
    """Processors that cannot be used."""
    return [
        Finding(
            "warning",
            "processor_refused",
            f"{one.name}: {ended(one.reason)} Mend or uninstall it; the others go on.",
            one.told(),
        )
        for one in refused
    ]


def of_pipeline(pipeline: Pipeline, now: float) -> list[Finding]:
    """Threads that died or are late, commits that fail, processors that cannot work, queues that overflowed."""
    found: list[Finding] = []
    name = pipeline.name
    if pipeline.started and not pipeline.committer.alive():
        found.append(Finding("unhealthy", "committer_dead", f"The committer of {name} has died; restart the service."))
    if pipeline.backfill_trouble is not None:
        found.append(
            Finding(
                "warning",
                "backfill_failed",
                f"Columns of {name} that follow from its settings, such as costs from prices, are not up to date: "
                f"{pipeline.backfill_trouble}. The next sweep tries again; see the log.",
                {"processor": name},
            )
        )
    if pipeline.committer.trouble:
        found.append(
            Finding(
                "unhealthy",
                "database",
                f"Rows of {name} cannot be committed and are kept until they can: {pipeline.committer.trouble}. "
                "Free disk space, or see to the database.",
            )
        )
    for worker in pipeline.workers:
        if pipeline.started and not worker.alive():
            found.append(Finding("unhealthy", "worker_dead", f"A worker of {name} has died; restart the service."))
        elif now - worker.beat > pipeline.plan.settings.deadline + LATE:
            found.append(
                Finding(
                    "warning",
                    "worker_late",
                    f"A worker of {name} has not moved for {now - worker.beat:.0f} s; see the log, and restart the "
                    "service if it stays so.",
                )
            )
        if worker.trouble and pipeline.unconfigured is None:
            found.append(Finding("warning", "processor_waits", f"{name} waits for trouble to pass: {worker.trouble}"))
    if (reason := pipeline.unconfigured) is not None:
        message = f"{name} is not configured: {reason}. Its sessions wait, none is lost; the other processors go on."
        found.append(Finding("warning", "unconfigured", message, {"processor": name}))
    if owed := pipeline.queue.owed:
        found.append(Finding("info", "sweep_owed", f"A sweep of {name} is owed: {owed}. It runs by itself."))
    if pipeline.queue.crowded():
        found.append(
            Finding(
                "warning",
                "queue_crowded",
                f"{len(pipeline.queue)} sessions wait for {name}, and {pipeline.queue.forgotten} were left to sweeps "
                "so far; raise its concurrency, or [queue] max_pending.",
                {"processor": name, "waiting": len(pipeline.queue), "forgotten": pipeline.queue.forgotten},
            )
        )
    if pipeline.last_sweep and pipeline.last_sweep.unreadable:
        paths = pipeline.last_sweep.unreadable
        found.append(
            Finding(
                "warning",
                "unreadable",
                f"{len(paths)} folders cannot be read, the first: {paths[0]}. Let the service's user read them.",
            )
        )
    return found


def of_sessions(tallies: Sequence[tuple[Any, ...]]) -> list[Finding]:
    """Quarantined sessions."""
    return [
        Finding(
            "warning",
            "quarantined",
            f"{count} {'session is' if count == 1 else 'sessions are'} quarantined by {name}: "
            "sessions list --status quarantined has the reasons; each is tried again when its file changes, or with "
            "sessions retry.",
            {"processor": name, "sessions": count},
        )
        for name, status, count, *_ in tallies
        if status == "quarantined"
    ]


def of_earlier(stays: Mapping[str, Earlier]) -> list[Finding]:
    """Sessions that an earlier version of a processor that asks a model has taken: taking them again is paid for."""
    found = []
    for processor, one in stays.items():
        were, them, about = "sessions were", "them", "about" if one.measured else "at most about"
        if one.sessions == 1:
            were, them = "session was", "it"
        message = (
            f"{one.sessions:,} {were} taken by an earlier version of {processor}; taking {them} again would show "
            f"{about} {one.tokens:,} tokens to the model. "
            f"Run session-watcher sessions reprocess --processor {processor} --older where that is wanted."
        )
        found.append(Finding("info", "earlier_version", message, {"processor": processor, **asdict(one)}))
    return found


def of_clock(tallies: Sequence[tuple[Any, ...]], now: float) -> list[Finding]:
    """Passes that are dated later than now (``now`` since the epoch): a clock that was ahead, or is behind."""
    newest = [(at.timestamp() - now, name) for name, *_, at in tallies if at is not None]
    ahead, name = max(newest, default=(0.0, ""))
    if ahead <= SKEW:
        return []
    message = (
        f"The newest pass of {name} is dated {ahead:.0f} s from now: this machine's clock was ahead then, or is behind "
        "now. Set it by NTP; what was put off by such a clock waits until then, or for sessions retry."
    )
    return [Finding("warning", "dated_ahead", message, {"processor": name, "ahead_seconds": round(ahead)})]


def of_disk(state: Path, min_free: int) -> list[Finding]:
    """Room for the database to grow."""
    try:
        free = shutil.disk_usage(state).free
    except OSError as error:
        return [
            Finding(
                "unhealthy",
                "state_folder",
                f"The state folder {state} cannot be looked at: {error.strerror}; see to it.",
            )
        ]
    if free >= min_free:
        return []
    return [
        Finding("warning", "low_disk", f"Only {free / 1e9:.2f} GB are free for {state}; make room before it is full.")
    ]


def of_damage(state: Path, notices: Sequence[str] = ()) -> list[Finding]:
    """Write-ahead logs that were set aside, and what else there was to say when the database was opened."""
    return [Finding("warning", "wal_damaged", notice) for notice in notices] + [
        Finding(
            "warning",
            "wal_set_aside",
            f"A damaged write-ahead log was set aside as {path.name}; sweeps make good what the transcripts "
            "still hold. Look at the disk, then delete the file.",
        )
        for path in sorted(state.glob("*.wal.damaged-*"))
    ]


def of_jobs(running: Mapping[str, float], failed: Mapping[str, str], job_log_trouble: str | None) -> list[Finding]:
    """Jobs that hang or failed, and records that cannot be written."""
    found = [
        Finding("warning", "job_hangs", f"{name} has run for {seconds:.0f} s; see the log, and restart the service.")
        for name, seconds in running.items()
        if seconds > HANGS
    ]
    found += [
        Finding("warning", "job_failed", f"The last run of {name} failed: {reason}. It is run again at its next turn.")
        for name, reason in failed.items()
    ]
    if job_log_trouble is not None:
        message = f"Runs of jobs cannot be recorded: {job_log_trouble}. Free disk space, or see to the database."
        found.append(Finding("unhealthy", "database", message))
    return found


def of_knowledge(trouble: str | None, died: bool, owed: tuple[int, str] | None) -> list[Finding]:
    """An inbox that is not drained, and items that could not be compared with the others."""
    found = []
    if died:
        message = "The thread that takes candidates into the knowledge base has died; restart the service."
        found.append(Finding("unhealthy", "intake_dead", message))
    if trouble is not None:
        message = f"Candidates wait in the inbox until they can be taken in: {trouble}. See to the database."
        found.append(Finding("unhealthy", "intake_waits", message))
    if owed is not None:
        count, reason = owed
        message = (
            f"{count} {'item was' if count == 1 else 'items were'} not compared with the others yet: {reason}. "
            "It is tried again by itself; see to the judge's model if it stays so."
        )
        found.append(Finding("warning", "checks_owed", message, {"items": count}))
    return found


def of_collector(last: VisitTally) -> list[Finding]:
    """Homes and files that the last run of the collector could not or did not copy."""
    failed, files = last.errors + last.users_refused, last.files_refused
    if not failed and not files:
        return []
    first = last.details[0]
    told = [f"{failed} {'home or file' if failed == 1 else 'homes or files'} could not be looked at"] if failed else []
    told += [f"{files} {'file was' if files == 1 else 'files were'} refused"] if files else []
    message = f"When transcripts were collected last, {' and '.join(told)}; the first: {first['path']}: "
    message += f"{first['reason']}. See jobs runs session-collector; mend them, or change [collector] sources."
    return [Finding("warning" if failed else "info", "not_collected", message, {"failed": failed, "refused": files})]


def of_links(links: Mapping[str, str], count: int) -> list[Finding]:
    """Links below the sessions folder that are not followed: by their keys with the reason, and how many there are."""
    if not count:
        return []
    first, reason = next(iter(sorted(links.items())))
    message = f"The folder {first} is a link and is not followed: {reason}."
    if count > 1:
        message = f"{count} folders are links and are not followed; the first is {first}: {reason}."
    message += " Transcripts behind it are not taken: let the folder itself lie there, or mount it; or delete the link."
    return [Finding("warning", "link_not_followed", message, {"links": dict(links), "count": count})]


def of_notes(last: Read) -> list[Finding]:
    """Homes and notes of which the last run of corporate-memory could make nothing, or would not."""
    if not last.errors and not last.refused:
        return []
    told = [f"{last.errors} {'home or note' if last.errors == 1 else 'homes or notes'} could not be taken"]
    told = (told if last.errors else []) + ([f"{last.refused} refused"] if last.refused else [])
    message = f"When people's notes were read last, {' and '.join(told)}"
    if last.details:
        message += f"; the first: {last.details[0]['path']}: {last.details[0]['reason']}"
    message += ". See jobs runs corporate-memory; mend them, or change [corporate_memory] sources."
    level: Level = "warning" if last.errors else "info"
    return [Finding(level, "notes_unread", message, {"failed": last.errors, "refused": last.refused})]


def of_settings(trouble: str | None, waiting: Sequence[str], unused: Sequence[str] = ()) -> list[Finding]:
    """A changed file that is refused, changes that a running service cannot take up, and settings of no use."""
    found = [Finding("warning", "settings_unused", ended(told)) for told in unused]
    if trouble is not None:
        message = f"Changed settings are refused, and the earlier ones are in force: {ended(trouble)} Mend the file."
        found.append(Finding("warning", "settings_refused", message))
    if waiting:
        message = f"{', '.join(waiting)}: changed, and in force from the next start; restart the service."
        found.append(Finding("info", "settings_wait", message, {"settings": list(waiting)}))
    return found


def report(findings: Sequence[Finding], **more: Any) -> dict[str, Any]:
    """The whole picture, ready for JSON."""
    return {
        "status": verdict(findings),
        "at": time.time(),
        "findings": [asdict(finding) for finding in findings],
        **more,
    }
