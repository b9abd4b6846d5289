"""``jobs``: what runs by the clock, how it went, and to run it now."""

from __future__ import annotations

from typing import Annotated

import typer

from watcher.app import COLLECTOR, CORPORATE_MEMORY, HEALTH_CHECK, HOUSEKEEPING, INTAKE, job_of
from watcher.cli import output
from watcher.cli.backend import ask, order
from watcher.cli.options import AsJson, SettingsPath, State, examples, group, in_force, print_json
from watcher.cli.status import enabled
from watcher.store import job_log

app = group("jobs")


@app.command("list", epilog=examples("jobs list", "jobs list --json"))
def list_(settings: SettingsPath = None, state: State = None, as_json: AsJson = False) -> None:
    """List every job with its last and next run."""
    chosen = in_force(settings, state)
    names = [COLLECTOR, CORPORATE_MEMORY, HEALTH_CHECK, HOUSEKEEPING, INTAKE, *map(job_of, enabled(chosen))]
    found = ask(chosen, "/api/jobs", lambda query: {"jobs": job_log.jobs(query, names)})
    print_json(found) if as_json else output.jobs(found["jobs"])


@app.command("runs", epilog=examples("jobs runs", "jobs runs housekeeping --limit 5"))
def runs(
    name: Annotated[str, typer.Argument(help="Only runs of this job.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Maximum number of runs, latest first.")] = 20,
    settings: SettingsPath = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """List job runs with their results or errors."""

    chosen = job_log.RunFilter(name=name, limit=limit)
    found = ask(
        in_force(settings, state),
        "/api/admin/scheduler-runs",
        lambda query: job_log.latest(query, chosen),
        name=name,
        limit=limit,
    )
    print_json(found) if as_json else output.job_runs(found["runs"])


@app.command(epilog=examples("jobs run session-processor:usage", "jobs run health-check --json"))
def run(
    name: Annotated[str, typer.Argument(help="Name of the job, from jobs list.")],
    settings: SettingsPath = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Run a job now and wait until it ends."""
    chosen = in_force(settings, state)
    found = order(
        chosen,
        f"jobs run {name}",
        "/api/admin/run-job",
        lambda core: {"name": name, "stats": core.run_alone(name)},
        timeout=chosen.service.time_budget + 600.0,
        name=name,
    )
    print_json(found) if as_json else output.stats(found["name"], found["stats"])
    if found["stats"].get("errors"):
        raise typer.Exit(1)
