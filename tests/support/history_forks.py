"""How random histories fork a session: its lines go on under another name."""

from __future__ import annotations

import json

from tests.support.transcript_lines import line, name


def forked(data: bytes, session_id: str, named: bool, anew: bool) -> bytes:
    """The same lines under another sessionId, those that cannot be read as they are.

    ``named``: assistant lines name the session that made them first; ``anew``: every line gets another uuid.
    """
    lines = []
    for one in data.split(b"\n"):
        try:
            record = json.loads(one)
        except ValueError:
            record = None
        if isinstance(record, dict) and "sessionId" in record:
            if named and record.get("type") in ("queue-operation", "cost-state"):
                continue
            copy = {**record, "sessionId": session_id}
            if named and record.get("type") == "assistant":
                copy["requestSessionId"] = record.get("requestSessionId") or record["sessionId"]
            if anew and isinstance(record.get("uuid"), str):
                copy["uuid"] = name(record["uuid"] + session_id)
            one = line(copy)[:-1]
        lines.append(one)
    return b"\n".join(lines)
