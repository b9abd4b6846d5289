"""How much an item is to be trusted: computed from who said what and what was decided, never by a model.

The same formula stands here twice, for one item and as SQL for all of them; a test holds them together.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime

#: What a single evidence of each kind is worth; anything else counts as a confirmation.
OF_DETECTION = {"correction": 0.90, "unprompted_definition": 0.90}
OF_CONFIRMATION = 0.60
OF_SOURCE = {"claude_local_md": 0.50, "admin": 1.00}
OF_MANDATE = 1.00
#: For each further person who said it.
VERIFIER = 0.05
#: Once a person has approved it.
APPROVED = 0.20
#: In days, after which half of it is left, counted from when it was last said or decided.
HALF_LIFE = 365.0
#: Below this it never falls: what a session's user said, and what was mandated.
VERIFIED_FLOOR, MANDATE_FLOOR = 0.40, 0.50

#: The formula over the columns of ``knowledge_items``; ``$1`` is now, in seconds since the epoch.
SQL = f"""
    least(1.0, greatest(
        CASE WHEN status = 'mandatory' THEN {MANDATE_FLOOR} ELSE floor END,
        least(1.0, CASE WHEN status = 'mandatory' THEN {OF_MANDATE} ELSE base END
              + {VERIFIER} * greatest(verifiers - 1, 0) + CASE WHEN status = 'approved' THEN {APPROVED} ELSE 0.0 END)
        * power(0.5, greatest(0.0, CAST($1 AS DOUBLE PRECISION)
                - CAST(extract(epoch FROM confirmed_at) AS DOUBLE PRECISION)) / {HALF_LIFE * 86400})
    ))
""".strip()


def base(evidence: Iterable[tuple[str, str]]) -> float:
    """What the best evidence is worth, of pairs of detection type and source; without any, as a confirmation."""
    return max((_worth(kind, source) for kind, source in evidence), default=OF_CONFIRMATION)


def floor(sources: Iterable[str]) -> float:
    """Below what it never falls, by where its evidence is from."""
    return VERIFIED_FLOOR if "session" in sources else 0.0


def confidence(base: float, floor: float, verifiers: int, status: str, confirmed_at: datetime, now: datetime) -> float:
    """An item's confidence, from 0 to 1."""
    mandated = status == "mandatory"
    start = (OF_MANDATE if mandated else base) + VERIFIER * max(verifiers - 1, 0)
    start = min(1.0, start + (APPROVED if status == "approved" else 0.0))
    age = max(0.0, (now - confirmed_at).total_seconds()) / 86400
    return min(1.0, max(MANDATE_FLOOR if mandated else floor, start * math.pow(0.5, age / HALF_LIFE)))


def _worth(detection_type: str, source: str) -> float:
    if source in OF_SOURCE:
        return OF_SOURCE[source]
    return OF_DETECTION.get(detection_type, OF_CONFIRMATION)
