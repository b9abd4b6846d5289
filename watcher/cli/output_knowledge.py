"""What people see of the knowledge base."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from watcher.cli.output import columns, number, plain, print_table, when

_COLOURS = {"pending": "yellow", "approved": "green", "mandatory": "bold green", "rejected": "red", "revoked": "red"}


def items(found: Mapping[str, Any]) -> None:
    """A list of items."""
    console = Console()
    if not found["items"]:
        console.print("Nothing fits.")
        return
    shown = columns("item", "status", "domain", "sure", "said by", "what")
    for one in found["items"]:
        shown.add_row(
            one["item_id"],
            plain(one["status"], _COLOURS.get(one["status"], "")),
            one["domain"],
            f"{one['confidence']:.0%}",
            number(one["verifiers"]),
            plain(one["title"]),
        )
    print_table(console, shown)
    if found["total"] > len(found["items"]):
        console.print(f"{len(found['items'])} of {number(found['total'])}; --limit and --offset show more.")


def item(one: Mapping[str, Any]) -> None:
    """Everything about one item."""
    console = Console()
    console.print(plain(f"{one['item_id']}  {one['title']}", "bold"), soft_wrap=True)
    until = f", until {one['valid_until'][:10]}" if one["valid_until"] else ""
    console.print(
        plain(f"{one['status']}, {one['domain']}, for {one['audience']}, {one['confidence']:.0%} sure{until}"),
        soft_wrap=True,
    )
    _text(console, one["text"], one["warnings"])
    if one["evidence"]:
        console.print("\nSaid:")
    for proof in one["evidence"]:
        gone = " (its file is gone)" if proof["source_gone"] else ""
        console.print(plain(f"  “{proof['user_quote']}”"), soft_wrap=True)
        told = f"    {proof['username']}, {when(proof['occurred_at'])}, a {proof['detection_type'].replace('_', ' ')}"
        console.print(plain(f"{told}, {proof['session_file'] or proof['source']}{gone}", "dim"), soft_wrap=True)
    for other in one["relations"]:
        told = f"{other['kind'].replace('_', ' ')}: {other['item_id']} ({other['score']:.0%}) {other['title']}"
        console.print(plain(told), soft_wrap=True)
    for pair in one["contradictions"]:
        settled = f"settled as {pair['resolution']}" if pair["resolution"] else "open"
        console.print(
            plain(f"contradiction {pair['contradiction_id']} ({settled}): {pair['explanation']}", "yellow"),
            soft_wrap=True,
        )
    if one["history"]:
        console.print("\nHistory:")
    for entry in one["history"]:
        reason = f": {entry['reason']}" if entry["reason"] else ""
        console.print(
            plain(
                f"  {when(entry['happened_at'])}  {entry['actor']}: {entry['action']} → {entry['to_status']}{reason}"
            ),
            soft_wrap=True,
        )


def to_be_read(text: str, warnings: Sequence[str]) -> None:
    """The exact text that agents would read, and what should make a reviewer look twice."""
    console = Console(stderr=True)
    console.print("Agents will read:")
    _text(console, text, warnings)


def contradictions(found: Sequence[Mapping[str, Any]]) -> None:
    """Pairs of items, one above the other."""
    console = Console()
    for pair in found:
        settled = f", settled as {pair['resolution']} by {pair['resolved_by']}" if pair["resolution"] else ""
        console.print(plain(f"{pair['contradiction_id']}  {pair['severity']}{settled}", "bold"), soft_wrap=True)
        console.print(plain(f"  {pair['explanation']}"), soft_wrap=True)
        for side in ("a", "b"):
            told = f"  {side}: {pair[f'item_{side}']} ({pair[f'{side}_status']}) {pair[f'{side}_content']}"
            console.print(plain(told), soft_wrap=True)
        if pair["suggestion"]:
            console.print(plain(f"  suggested: {pair['suggestion']}"), soft_wrap=True)
    if not found:
        console.print("Nothing contradicts anything.")


def bundle(found: Mapping[str, Any]) -> None:
    """What agents are given."""
    console = Console()
    for one in found["items"]:
        mark = "!" if one["status"] == "mandatory" else "-"
        console.print(plain(f"{mark} {one['text']}"), soft_wrap=True)
    left = f"; {number(found['left_out'])} did not fit" if found["left_out"] else ""
    console.print(f"{len(found['items'])} items, about {number(found['tokens'])} tokens{left}.")


def pulled(done: Mapping[str, Any], project: Path) -> None:
    """What became of a project's rule files."""
    console = Console()
    told = [f"{len(done[what])} {what}" for what in ("written", "unchanged", "removed")]
    console.print(plain(f"{project}: {', '.join(told)}."), soft_wrap=True)


def _text(console: Console, text: str, warnings: Sequence[str]) -> None:
    console.print(plain(f"  {text}", "cyan"), soft_wrap=True)
    for warning in warnings:
        console.print(plain(f"  Look twice: {warning}.", "red"), soft_wrap=True)
