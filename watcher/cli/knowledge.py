"""``knowledge``: what people said, under review, and served back to agents."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from watcher.app import Application
from watcher.cli import output_knowledge
from watcher.cli.backend import ask, elsewhere, service_of
from watcher.cli.confirm import order_for_agents, read_first, word
from watcher.cli.options import AsJson, SettingsPath, State, examples, group, in_force, print_json
from watcher.errors import NoSuchContradiction, NoSuchItem, SettingsError
from watcher.knowledge import import_export, queries
from watcher.knowledge.bundle import bundle as bundle_of
from watcher.knowledge.edits import DOMAINS, Edit
from watcher.knowledge.ids import may_be_a_name
from watcher.knowledge.pull import pull as pull_into
from watcher.knowledge.review import Decision

app = group("knowledge")

#: Who decides where no service runs: whoever may open the database.
_ACTOR = "admin"


def _item(given: str) -> str:
    if not may_be_a_name(given):
        raise NoSuchItem(given)
    return given


def _contradiction(given: str) -> str:
    if not may_be_a_name(given):
        raise NoSuchContradiction(given)
    return given


Item = Annotated[str, typer.Argument(help="Id of the item, from knowledge list.", callback=_item)]
Reason = Annotated[str | None, typer.Option(help="Reason, kept in the history.")]
Domain = Annotated[str, typer.Option(help=f"Only this domain: {', '.join(DOMAINS)}.")]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="Maximum number of items.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation, even for text with warnings.")]
Groups = Annotated[list[str] | None, typer.Option("--group", help="Include items for this group; may be repeated.")]
Url = Annotated[str, typer.Option(help="Remote service, such as https://watcher.example.org; requires --token-file.")]
TokenFile = Annotated[Path | None, typer.Option(help="File with a token for --url.")]


@app.command("list", epilog=examples("knowledge list", "knowledge list --status pending --domain finance"))
def list_(
    status: Annotated[str, typer.Option(help=f"Only this status: {', '.join(queries.STATUSES)}.")] = "",
    domain: Domain = "",
    limit: Limit = 50,
    offset: Annotated[int, typer.Option(min=0, help="Items to skip.")] = 0,
    settings: SettingsPath = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """List items, those pending review first."""
    _list(queries.ItemFilter(status, domain, "", False, limit, offset), settings, state, as_json)


@app.command(epilog=examples("knowledge search refunds tax", "knowledge search refunds --status approved --json"))
def search(
    text: Annotated[list[str], typer.Argument(help="Words that the item must contain, all of them.")],
    status: Annotated[str, typer.Option(help=f"Only this status: {', '.join(queries.STATUSES)}.")] = "",
    domain: Domain = "",
    limit: Limit = 20,
    settings: SettingsPath = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Find items by words."""
    _list(queries.ItemFilter(status, domain, " ".join(text), False, limit), settings, state, as_json)


@app.command("show", epilog=examples("knowledge show kv_0123456789ab"))
def show_(item: Item, settings: SettingsPath = None, state: State = None, as_json: AsJson = False) -> None:
    """Show one item. Prints the text for agents, the evidence and the decisions."""
    chosen = in_force(settings, state)
    found = ask(chosen, f"/api/knowledge/items/{item}", lambda query: queries.item(query, item))
    print_json(found) if as_json else output_knowledge.item(found)


@app.command(epilog=examples('knowledge approve kv_0123456789ab --reason "checked with finance"'))
def approve(
    item: Item, reason: Reason = None, yes: Yes = False, settings: SettingsPath = None, state: State = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Approve an item for agents. Shows the exact text first; text with warnings needs confirmation."""
    _decide("approve", item, reason, yes, settings, state, as_json)


@app.command(epilog=examples('knowledge mandate kv_0123456789ab --reason "the auditors ask for it"'))
def mandate(
    item: Item, reason: Reason = None, yes: Yes = False, settings: SettingsPath = None, state: State = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Make an item mandatory. Every agent gets it, before all approved items."""
    _decide("mandate", item, reason, yes, settings, state, as_json)


@app.command(epilog=examples('knowledge reject kv_0123456789ab --reason "true of one project only"'))
def reject(
    item: Item, reason: Reason = None, settings: SettingsPath = None, state: State = None, as_json: AsJson = False
) -> None:
    """Reject an item. The same statement does not come back for review."""
    _decide("reject", item, reason, True, settings, state, as_json)


@app.command(epilog=examples('knowledge revoke kv_0123456789ab --reason "no longer so"'))
def revoke(
    item: Item, reason: Reason = None, settings: SettingsPath = None, state: State = None, as_json: AsJson = False
) -> None:
    """Revoke an approval. Agents no longer get the item."""
    _decide("revoke", item, reason, True, settings, state, as_json)


@app.command(
    epilog=examples(
        'knowledge add "Refunds" "Refunds keep the tax rate of their sale." --domain finance',
        'knowledge add "Incidents" "Incidents are written up within a day." --audience group:operations --mandatory',
    )
)
def add(
    title: Annotated[str, typer.Argument(help="Title, at most 60 characters.")],
    content: Annotated[str, typer.Argument(help="Content, at most 500 characters.")],
    domain: Annotated[str, typer.Option(help=", ".join(DOMAINS))] = "engineering",
    audience: Annotated[str, typer.Option(help="all, or group:<name>.")] = "all",
    mandatory: Annotated[bool, typer.Option("--mandatory", help="Make it mandatory.")] = False,
    reason: Reason = None,
    yes: Yes = False,
    settings: SettingsPath = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Add an item by hand; agents get it at once."""
    edit = Edit(title, content, domain, None, audience)
    found = order_for_agents(
        in_force(settings, state),
        yes,
        "knowledge add",
        "/api/knowledge/items",
        lambda core, sure: core.knowledge.review.add(_ACTOR, edit, mandatory, reason, sure),
        title=title,
        content=content,
        domain=domain,
        audience=audience,
        mandatory=word(mandatory),
        reason=reason,
    )
    print_json(found) if as_json else output_knowledge.item(found)


@app.command(epilog=examples("knowledge edit kv_0123456789ab --domain finance --valid-until 2027-01-01"))
def edit(
    item: Item,
    title: Annotated[str | None, typer.Option(help="At most 60 characters.")] = None,
    content: Annotated[str | None, typer.Option(help="At most 500 characters.")] = None,
    domain: Annotated[str | None, typer.Option(help=", ".join(DOMAINS))] = None,
    audience: Annotated[str | None, typer.Option(help="all, or group:<name>.")] = None,
    valid_from: Annotated[str | None, typer.Option(help="Start of validity, a day or a time; empty: none.")] = None,
    valid_until: Annotated[str | None, typer.Option(help="End of validity, a day or a time; empty: none.")] = None,
    reason: Reason = None,
    yes: Yes = False,
    settings: SettingsPath = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Change words, audience or validity. Text with warnings that agents would get needs confirmation."""
    wanted = Edit(title, content, domain, None, audience, None, valid_from, valid_until)
    if wanted == Edit():
        raise SettingsError("say what is to be different: see knowledge edit --help")
    chosen = in_force(settings, state)
    # What is confirmed is what comes of the text that stands there now.
    seen = str(ask(chosen, f"/api/knowledge/items/{item}", lambda query: queries.item(query, item))["digest"])

    found = order_for_agents(
        chosen,
        yes,
        "knowledge edit",
        f"/api/knowledge/items/{item}/edit",
        lambda core, sure: core.knowledge.review.edit(item, _ACTOR, wanted, reason, None, seen, sure),
        title=title,
        content=content,
        domain=domain,
        audience=audience,
        valid_from=valid_from,
        valid_until=valid_until,
        reason=reason,
        seen=seen,
    )
    print_json(found) if as_json else output_knowledge.item(found)


@app.command(epilog=examples("knowledge contradictions", "knowledge contradictions --all"))
def contradictions(
    every: Annotated[bool, typer.Option("--all", help="Include resolved ones.")] = False,
    settings: SettingsPath = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """List contradictions, both items side by side."""
    found = ask(
        in_force(settings, state),
        "/api/knowledge/contradictions",
        lambda query: {"contradictions": queries.contradictions(query, resolved=every)},
        resolved="true" if every else "false",
    )
    print_json(found) if as_json else output_knowledge.contradictions(found["contradictions"])


@app.command(
    epilog=examples("knowledge resolve kc_0123456789ab kept_a", "knowledge resolve kc_0123456789ab both_valid")
)
def resolve(
    which: Annotated[str, typer.Argument(help="Id, from knowledge contradictions.", callback=_contradiction)],
    resolution: Annotated[str, typer.Argument(help="kept_a, kept_b, merge or both_valid; a is the newer item.")],
    title: Annotated[str | None, typer.Option(help="With merge: title of the merged item.")] = None,
    content: Annotated[str | None, typer.Option(help="With merge: content of the merged item.")] = None,
    reason: Reason = None,
    yes: Yes = False,
    settings: SettingsPath = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Resolve a contradiction. An item that is not kept is superseded at once."""
    found = order_for_agents(
        in_force(settings, state),
        yes,
        "knowledge resolve",
        f"/api/knowledge/contradictions/{which}/resolve",
        lambda core, sure: core.knowledge.review.resolve(which, resolution, _ACTOR, title, content, reason, sure),
        resolution=resolution,
        title=title,
        content=content,
        reason=reason,
    )
    print_json(found) if as_json else output_knowledge.contradictions([found])


@app.command(epilog=examples("knowledge bundle", "knowledge bundle --group finance --json"))
def bundle(
    groups: Groups = None,
    url: Url = "",
    token_file: TokenFile = None,
    settings: SettingsPath = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Print the bundle that agents are given."""
    found = _bundle(groups, url, token_file, settings, state)
    print_json(found) if as_json else output_knowledge.bundle(found)


@app.command(
    epilog=examples(
        "knowledge pull ~/src/shop",
        "knowledge pull . --group finance",
        "knowledge pull . --url https://watcher.example.org --token-file ~/.config/session-watcher/token",
    )
)
def pull(
    project: Annotated[Path, typer.Argument(help="Project folder.")] = Path(),
    groups: Groups = None,
    url: Url = "",
    token_file: TokenFile = None,
    settings: SettingsPath = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Write the bundle into a project. Creates or updates its rules in .claude/rules."""
    if not project.is_dir():
        raise SettingsError(f"{project}: there is no such folder")
    try:
        done = asdict(pull_into(_bundle(groups, url, token_file, settings, state), project))
    except OSError as error:
        raise SettingsError(f"{error.filename or project}: {error.strerror}") from None
    print_json(done) if as_json else output_knowledge.pulled(done, project)


@app.command(epilog=examples("knowledge export", "knowledge export knowledge.json"))
def export(
    file: Annotated[Path | None, typer.Argument(help="Target file (default: standard output).")] = None,
    settings: SettingsPath = None,
    state: State = None,
) -> None:
    """Export every item with its evidence as JSON."""
    found = ask(in_force(settings, state), "/api/knowledge/export", import_export.export)
    text = json.dumps(found, ensure_ascii=False, indent=1)
    if file is None:
        print(text)
        return
    try:
        file.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{file}: {error.strerror}") from None
    print(f"{len(found['items'])} items are in {file}.")


@app.command("import", epilog=examples("knowledge import knowledge.json", "knowledge import knowledge.json --trusted"))
def import_(
    file: Annotated[Path, typer.Argument(help="File written by knowledge export.")],
    trusted: Annotated[
        bool, typer.Option("--trusted", help="Keep each item's status; without it they wait for review.")
    ] = False,
    yes: Yes = False,
    settings: SettingsPath = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Import items that do not exist yet."""
    try:
        given = json.loads(file.read_bytes())
    except OSError as error:
        raise SettingsError(f"{file}: {error.strerror}") from None
    except ValueError as error:
        raise SettingsError(f"{file} is not JSON: {error}") from None
    chosen = in_force(settings, state)

    def carry_out(confirmed: bool) -> Any:
        service = service_of(chosen)
        if service is not None:
            words = {"trusted": word(trusted), "confirmed": word(confirmed)}
            return service.send("/api/knowledge/import", given, timeout=600.0, **words)
        core = Application(chosen, "knowledge import", live=False)
        try:
            return asdict(import_export.take_in(core.knowledge.writer, given, _ACTOR, trusted, confirmed))
        finally:
            core.stop()

    found = read_first(carry_out, yes)
    print_json(found) if as_json else print(f"{found['added']} items added, {found['known']} known already.")


def _list(wanted: queries.ItemFilter, settings: Path | None, state: Path | None, as_json: bool) -> None:
    if wanted.status and wanted.status not in queries.STATUSES:
        raise SettingsError(f"--status {wanted.status}: {', '.join(queries.STATUSES)} are accepted")
    if wanted.domain and wanted.domain not in DOMAINS:
        raise SettingsError(f"--domain {wanted.domain}: {', '.join(DOMAINS)} are accepted")
    found = ask(
        in_force(settings, state),
        "/api/knowledge/items",
        lambda query: queries.items(query, wanted),
        status=wanted.status,
        domain=wanted.domain,
        text=wanted.text,
        limit=wanted.limit,
        offset=wanted.offset,
    )
    print_json(found) if as_json else output_knowledge.items(found)


def _decide(
    decision: Decision,
    item: str,
    reason: str | None,
    sure: bool,
    settings: Path | None,
    state: Path | None,
    as_json: bool,
) -> None:
    chosen = in_force(settings, state)
    seen: str | None = None
    if decision in ("approve", "mandate"):
        before = ask(chosen, f"/api/knowledge/items/{item}", lambda query: queries.item(query, item))
        seen = before["digest"]
        if not as_json and (sure or not before["warnings"]):  # else it is shown when it is asked about
            output_knowledge.to_be_read(before["text"], before["warnings"])

    found = order_for_agents(
        chosen,
        sure,
        f"knowledge {decision}",
        f"/api/knowledge/items/{item}/{decision}",
        lambda core, sure: core.knowledge.review.decide(decision, item, _ACTOR, reason, seen, sure),
        reason=reason,
        seen=seen,
    )
    print_json(found) if as_json else print(f"{found['item_id']} is {found['status']}.")


def _bundle(
    groups: list[str] | None, url: str, token_file: Path | None, settings: Path | None, state: Path | None
) -> Any:
    if not url:
        return ask(
            in_force(settings, state),
            "/api/knowledge/bundle",
            lambda query: bundle_of(query, groups or []),
            group=groups or [],
        )
    return elsewhere(url, token_file).get("/api/knowledge/bundle", group=groups or [])
