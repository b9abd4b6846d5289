"""What people write themselves: which changes to an item make sense."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from processors.redaction import redact
from watcher.errors import ReviewRefused
from watcher.knowledge import rendering

LONGEST_TITLE, LONGEST_CONTENT = 60, 500
DOMAINS = ("finance", "engineering", "product", "data", "operations", "infrastructure")


@dataclass(frozen=True, slots=True)
class Edit:
    """What is to be different; None leaves a thing as it is."""

    title: str | None = None
    content: str | None = None
    domain: str | None = None
    entities: list[str] | None = None
    #: ``all`` or ``group:<name>``.
    audience: str | None = None
    #: Whose own it is from now on; empty: everybody's.
    owner: str | None = None
    #: From when and until when it holds; empty: for ever.
    valid_from: str | None = None
    valid_until: str | None = None


#: An item that says nothing yet.
BLANK: dict[str, Any] = {
    "title": "", "content": "", "domain": "engineering", "entities": [], "audience": "all", "owner": None,
    "valid_from": None, "valid_until": None,
}  # fmt: skip


def columns(item: dict[str, Any]) -> dict[str, Any]:
    """What of an item can be edited."""
    found = {key: item[key] for key in BLANK}
    for key in ("valid_from", "valid_until"):
        found[key] = datetime.fromisoformat(found[key]) if found[key] else None
    return found


def listed(entities: list[str]) -> str:
    """Entities as they are kept."""
    return json.dumps(entities, ensure_ascii=False)


def edited(item: dict[str, Any], edit: Edit) -> dict[str, Any]:
    """The item's own columns after a change.

    Raises:
        ReviewRefused: the change makes no sense.
    """
    values = dict(item)
    for key, longest in (("title", LONGEST_TITLE), ("content", LONGEST_CONTENT)):
        if (text := getattr(edit, key)) is not None:
            values[key], _ = redact(rendering.clean_for_agents(text))
        if not values[key]:
            raise ReviewRefused(f"{key}: an item needs one")
        if len(values[key]) > longest:
            raise ReviewRefused(f"{key}: at most {longest} characters, this has {len(values[key])}")
    if edit.domain is not None:
        if edit.domain not in DOMAINS:
            raise ReviewRefused(f"domain: {edit.domain!r} is none; there are {', '.join(DOMAINS)}")
        values["domain"] = edit.domain
    if edit.entities is not None:
        values["entities"] = [redact(rendering.clean_for_agents(one))[0][:100] for one in edit.entities[:20]]
    if edit.audience is not None:
        kind, _, name = edit.audience.partition(":")
        named = bool(name.strip()) and name.isprintable() and len(name) <= 100
        if edit.audience != "all" and not (kind == "group" and named):
            raise ReviewRefused(f"audience: {edit.audience!r} is none; all and group:<name> are accepted")
        values["audience"] = edit.audience
    if edit.owner is not None:
        values["owner"] = edit.owner or None
    for key in ("valid_from", "valid_until"):
        if (text := getattr(edit, key)) is not None:
            values[key] = moment(key, text)
    if values["valid_from"] and values["valid_until"] and values["valid_from"] >= values["valid_until"]:
        raise ReviewRefused("valid_until: it must be after valid_from")
    return values


def moment(key: str, text: str) -> datetime | None:
    """A day or moment as people write it; None if there is none.

    Raises:
        ReviewRefused: it is no date, or none that has a place in UTC.
    """
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ReviewRefused(f"{key}: {text!r} is no date; 2026-01-31 and 2026-01-31T12:00+00:00 are accepted") from None
