"""The oracle's list of what is not known: names of types that nobody has looked at yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from tests.support.oracle_lenient import a_string, an_object, objects
from tests.support.oracle_reading import Object, instant_of, is_call, parts_of
from tests.support.oracle_rows import Found, Request, Unknown
from tests.support.oracle_text import stored

#: The known names by kind: ``type``, ``subtype``, ``attachment``, ``iteration`` and ``origin``.
Known = dict[str, frozenset[str]]

#: Names that the tests' own lines have, and that are no news.
KNOWN: Known = {
    "type": frozenset(
        [
            "assistant",
            "user",
            "progress",
            "system",
            "attachment",
            "summary",
            "queue-operation",
            "file-history-snapshot",
            "mode",
            "last-prompt",
            "permission-mode",
            "ai-title",
            "custom-title",
            "pr-link",
            "bridge-session",
            "atis-latch",
            "cost-state",
            "api-request",
            "api-request-shape",
            "api-request-blob",
            "tools-used",
            "file-history-delta",
            "tool_use_result",
        ]
    ),
    "subtype": frozenset(
        ["turn_duration", "api_error", "local_command", "stop_hook_summary", "away_summary", "compact_boundary"]
    ),
    "attachment": frozenset(
        [
            "prompt_snapshot",
            "skill_listing",
            "agent_listing_delta",
            "deferred_tools_delta",
            "environment",
            "model",
            "auto_mode",
            "session_context",
            "date",
            "remote_session_change",
            "command_permissions",
            "queued_command",
        ]
    ),
    "iteration": frozenset(["message", "fallback_message", "advisor_message", "compaction"]),
    "origin": frozenset(["human", "peer", "coordinator", "observer", "channel", "task-notification", "unclassified"]),
}


def find_unknown(found: Found, known: Known) -> None:
    """Put the names in a file that are not known into ``found``, and the requests of its calls."""
    version = ""
    for record in found.records:
        fields = record.fields
        version = stored(fields.get("version")) or version
        at = instant_of(fields)
        for kind, name in names_in(fields):
            if name not in known.get(kind, ()):
                found.unknown.append(Unknown(kind, stored(name) or "", version, at))
        for part in parts_of(fields):
            call = stored(part.message.get("id"))
            if is_call(part) and call and part.request_id and not part.embedded and not fields.get("isSidechain"):
                request = stored(part.request_id) or ""
                found.requests.append(Request(call, request, version, at))


def names_in(record: Object) -> Iterator[tuple[str, str]]:
    """Kind and name of each thing in a record whose name may be unknown."""
    named: list[tuple[str, str | None]] = [("type", a_string(record, "type"))]
    if record.get("type") == "system":
        named.append(("subtype", a_string(record, "subtype")))
    if record.get("type") == "user":
        named.append(("origin", a_string(an_object(record, "origin"), "kind")))
    if record.get("type") == "attachment":
        attachment = an_object(record, "attachment")
        named.append(("attachment", a_string(attachment, "type")))
        if attachment.get("type") == "queued_command":
            named.append(("origin", a_string(an_object(attachment, "origin"), "kind")))
    for part in parts_of(record):
        if is_call(part):
            for iteration in objects(part.message["usage"], "iterations") or []:
                named.append(("iteration", a_string(iteration, "type")))
    yield from ((kind, name) for kind, name in named if name is not None)


def unknown_rows(files: Iterable[Found]) -> list[dict[str, Any]]:
    """The rows of ``unknown_records``."""
    places: dict[tuple[str, str, str], list[tuple[Found, Any]]] = {}
    requests: dict[str, list[tuple[Found, Request]]] = {}
    for found in files:
        for unknown in found.unknown:
            places.setdefault((unknown.kind, unknown.name, unknown.version), []).append((found, unknown.at))
        for request in found.requests:
            requests.setdefault(request.message_id, []).append((found, request))
    for name, same in requests.items():
        if len({request.request_id for _, request in same}) > 1:
            for found, request in same:
                places.setdefault(("several_requests", name, ""), []).append((found, request.at))
    rows = []
    for (kind, name, version), where in places.items():
        times = [at for _, at in where if at is not None]
        rows.append(
            {
                "kind": kind,
                "name": name,
                "version": version,
                "sessions": len({found.session_id for found, _ in where}),
                "first_at": min(times, default=None),
                "last_at": (min if kind == "several_requests" else max)(times, default=None),
            }
        )
    return rows
