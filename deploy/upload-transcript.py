#!/usr/bin/env python3
"""A Claude Code hook (Stop, SubagentStop, SessionEnd) that sends the session's transcript to a Session Watcher.

It sends what has been added since the last time, or all of it if the transcript was rewritten; the service says how
much it has. Subagents' transcripts go along. It needs Python 3.8 or newer and nothing else.

SESSION_WATCHER_UPLOAD   https://watcher.example.org/api/upload/ann: the service, and the user whose token it is
SESSION_WATCHER_TOKEN    that user's token, or a file that holds it (~/.config/session-watcher/token if it is not set)

It never holds Claude Code up: whatever goes wrong is said in one line, with exit code 1, and made good the next time.
"""

import base64
import gzip
import hashlib
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

#: Seconds for each request, and bytes that are read and sent in one.
TIMEOUT, PIECE = 20, 8 << 20


class Trouble(Exception):
    """Something that a person can mend."""


class Conflict(Exception):
    """The service has something else than was thought."""


class Stay(urllib.request.HTTPRedirectHandler):
    """The token is for the service alone: it is not taken along to wherever an answer points."""

    def redirect_request(self, *_):
        """Nowhere."""


def main() -> int:
    """Read the hook's JSON from stdin, and send what it names."""
    try:
        url, token = settings()
        for path, name in transcripts(json.load(sys.stdin)):
            send(url + "/" + urllib.parse.quote(name, safe="/"), token, path)
    except (Trouble, OSError, ValueError) as error:
        print(f"the transcript was not sent: {error}", file=sys.stderr)
        return 1
    return 0


def settings():
    """Where to send to, and with which token."""
    url = os.environ.get("SESSION_WATCHER_UPLOAD", "").rstrip("/")
    if "/api/upload/" not in url:
        raise Trouble("set SESSION_WATCHER_UPLOAD to https://<service>/api/upload/<user>")
    given = os.environ.get("SESSION_WATCHER_TOKEN") or "~/.config/session-watcher/token"
    file = Path(given).expanduser()
    try:
        return url, file.read_text().strip() if file.is_file() else given
    except OSError as error:
        raise Trouble(f"{file}: {error.strerror}") from None


def transcripts(event):
    """The session's transcripts, each with its path below the projects folder."""
    main_file = Path(str(event.get("transcript_path") or "")).expanduser()
    if main_file.suffix != ".jsonl":
        raise Trouble("the hook was given no transcript_path")
    folder = main_file.parent.name
    beside = main_file.with_suffix("")
    files = [main_file, *sorted(path for path in beside.rglob("*.jsonl") if not path.is_symlink())]
    for path in files:
        if path.is_file():
            yield path, folder + "/" + path.relative_to(main_file.parent).as_posix()


def send(url, token, path):
    """Bring the service's copy to what the file holds now."""
    for _ in range(3):  # somebody else may be sending the same session
        try:
            with path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                sent = common(url, token, file, size)
                file.seek(sent or 0)
                while sent is None or sent < size:
                    piece = file.read(min(PIECE, size - (sent or 0)))
                    if not piece and sent is not None:
                        break  # it has become shorter meanwhile: that is for the next time
                    put(url, token, piece, sent)
                    sent = (sent or 0) + len(piece)
                return
        except Conflict:
            continue
    raise Trouble("the service's copy keeps changing")


def common(url, token, file, size):
    """How many bytes of the file the service has already; None if it has something else."""
    answer = request("HEAD", url, token)
    if answer is None:
        return 0
    there = int(answer["Upload-Offset"])
    if there > size:
        return None
    digest, left = hashlib.sha256(), there
    while left:
        piece = file.read(min(PIECE, left))
        if not piece:
            return None
        digest.update(piece)
        left -= len(piece)
    same = answer["Repr-Digest"] == "sha-256=:" + base64.b64encode(digest.digest()).decode() + ":"
    return there if same else None


def put(url, token, body, offset):
    """Send bytes, packed."""
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/octet-stream"}
    if offset is not None:
        headers["Upload-Offset"] = str(offset)
    request("PUT", url, token, gzip.compress(body, 6), headers)


def request(method, url, token, body=None, headers=None):
    """The answer's headers; None if there is no such transcript."""
    known = {"Authorization": "Bearer " + token}
    asked = urllib.request.Request(url, body, {**known, **(headers or {})}, method=method)
    try:
        with urllib.request.build_opener(Stay).open(asked, timeout=TIMEOUT) as answer:
            return answer.headers
    except urllib.error.HTTPError as error:
        if error.code == 404 and method == "HEAD":
            return None
        if error.code == 409:
            raise Conflict from None
        try:
            detail = json.load(error)["detail"]
        except (ValueError, KeyError, TypeError):
            detail = error.reason
        raise Trouble(f"{url}: {error.code} {detail}") from None
    except urllib.error.URLError as error:
        raise Trouble(f"{url}: {error.reason}") from None


if __name__ == "__main__":
    sys.exit(main())
