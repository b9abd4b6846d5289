"""The session keys of a tree."""

from __future__ import annotations

import msgspec

from watcher.transcripts.sessions import Listing


def keys(listing: Listing) -> list[str]:
    return sorted(msgspec.json.decode(line)["session_file"] for line in listing.lines.splitlines())
