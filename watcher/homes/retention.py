"""Retention: after how many days without a change Claude Code deletes a transcript, as its settings say.

The setting is ``cleanupPeriodDays``. The machine's managed settings win. Below them, the person's ``settings.json``
holds everywhere; ``settings.local.json`` beside it holds only for sessions in that very folder, so of the two the
shorter period is assumed. Settings of single projects are not known here.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from watcher.homes.refusals import NotCopied, open_file, open_folder

#: The setting's key, and the default of Claude Code.
KEY, DEFAULT_DAYS = "cleanupPeriodDays", 30.0
USER, LOCAL = "settings.json", "settings.local.json"
#: The folder of an organisation's settings.
MANAGED = Path("/Library/Application Support/ClaudeCode" if sys.platform == "darwin" else "/etc/claude-code")
_MANAGED, _DROP_INS = "managed-settings.json", "managed-settings.d"
#: A larger settings file is not read; a longer period is capped, in days.
LARGEST, LONGEST_DAYS = 1_000_000, 1_000_000.0


@dataclass(frozen=True, slots=True)
class Retention:
    """Retention of a home's transcripts."""

    days: float = DEFAULT_DAYS
    #: Settings that could not be read or used, each with the reason; they count as not set.
    doubts: tuple[tuple[str, str], ...] = ()


def managed_retention(folder: Path = MANAGED) -> tuple[float | None, tuple[tuple[str, str], ...]]:
    """Return the organisation's period (None: not set), and its settings that could not be read or used."""
    days, doubts = None, []
    try:
        above = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None, ()  # settings that this user may not read apply to nobody
    try:
        owner = os.fstat(above).st_uid
        # As systemd has it: the files of the folder come after the main one, in the order of their names.
        for path in ((_MANAGED,), *_drop_ins(above)):
            found, doubt = _days_at(path, above, owner)
            days = days if found is None else found
            doubts += [(os.path.join(folder, *path), doubt)] if doubt else []
    finally:
        os.close(above)
    return days, tuple(doubts)


def retention_of(config: int, owner: int, managed: float | None = None) -> Retention:
    """Return the period of a person's open configuration folder; files of other owners are not read."""
    found, doubts = [], []
    for name in (USER, LOCAL):
        days, doubt = _days_at((name,), config, owner)
        found.append(days)
        doubts += [(name, doubt)] if doubt else []
    everywhere, here = found
    everywhere = DEFAULT_DAYS if everywhere is None else everywhere
    shortest = everywhere if here is None else min(everywhere, here)
    return Retention(shortest if managed is None else managed, tuple(doubts))


def retention_beside(projects: Path, folder: Path = MANAGED) -> Retention:
    """Return the period of a person's own folder of projects, whose settings lie beside it."""
    managed, doubts = managed_retention(folder)
    try:
        config = os.open(projects.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        told = (os.fspath(projects.parent), error.strerror or str(error))
        return Retention(DEFAULT_DAYS if managed is None else managed, (*doubts, told))
    try:
        found = retention_of(config, os.stat(projects).st_uid, managed)
    except OSError:  # the folder of projects is gone, which is reported elsewhere
        found = Retention(DEFAULT_DAYS if managed is None else managed)
    finally:
        os.close(config)
    return Retention(found.days, (*doubts, *((os.path.join(projects.parent, one), why) for one, why in found.doubts)))


def _drop_ins(above: int) -> list[tuple[str, str]]:
    try:
        folder = open_folder(_DROP_INS, above)
    except (OSError, NotCopied):
        return []
    try:
        return [(_DROP_INS, name) for name in sorted(os.listdir(folder)) if name.endswith(".json")]
    finally:
        os.close(folder)


def _days_at(path: Sequence[str], above: int, owner: int) -> tuple[float | None, str | None]:
    """Return the days that a file sets (None: none), and why it counts as not set, if it does."""
    *folders, name = path
    folder = os.dup(above)
    try:
        for part in folders:
            below = open_folder(part, folder)
            os.close(folder)
            folder = below
        return _days(_content(name, folder, owner)), None
    except FileNotFoundError:
        return None, None
    except NotCopied as refused:
        return None, str(refused)
    except OSError as error:
        return None, error.strerror or str(error)
    finally:
        os.close(folder)


def _content(name: str, folder: int, owner: int) -> bytes:
    file, status = open_file(name, folder, owner)
    with open(file, "rb") as stream:
        if status.st_size > LARGEST:
            raise NotCopied(f"it holds {status.st_size:,} bytes; no settings file does")
        data = stream.read(LARGEST + 1)  # it may have grown since
    if len(data) > LARGEST:
        raise NotCopied(f"it holds more than {LARGEST:,} bytes; no settings file does")
    return data


def _days(data: bytes) -> float | None:
    try:
        settings: Any = msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise NotCopied("it is not JSON") from None
    if not isinstance(settings, dict):
        raise NotCopied("it is JSON, and no object")
    value = settings.get(KEY)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 1:
        raise NotCopied(f"{KEY} is no number of days from 1 on")
    return min(float(value), LONGEST_DAYS)
