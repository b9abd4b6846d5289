"""The knowledge base as the plainest possible code: what its tables say after a history.

Statements are told apart by their own means here: words are split at spaces, likeness is counted over the longest
common subsequence, and two say different things if a number differs or one of them says ``not``.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

LIVE = ("pending", "approved", "mandatory")
Row = dict[str, Any]


@cache
def ratio(one: str, other: str) -> float:
    """Twice the longest common subsequence of the sorted words, by both lengths."""
    a, b = (" ".join(sorted(text.split())) for text in (one, other))
    before = [0] * (len(b) + 1)
    for sign in a:
        here = [0]
        for at, there in enumerate(b):
            here.append(before[at] + 1 if sign == there else max(before[at + 1], here[at]))
        before = here
    return 2 * before[-1] / (len(a) + len(b))


def opposed(one: str, other: str) -> bool:
    """Whether they cannot both hold."""
    a, b = one.split(), other.split()
    numbers = [{word for word in words if word.isdigit()} for words in (a, b)]
    return (a.count("not") + b.count("not")) % 2 == 1 or (
        bool(numbers[0] - numbers[1]) and bool(numbers[1] - numbers[0])
    )


def common(one: str, other: str) -> bool:
    """Whether at least half of the words of the shorter are in the other."""
    a, b = set(one.split()), set(other.split())
    return 2 * len(a & b) >= min(len(a), len(b))


def named(prefix: str, digits: int, *parts: str) -> str:
    """A name made of what it names."""
    return prefix + hashlib.sha256("\0".join(parts).encode()).hexdigest()[:digits]


@dataclass
class Item:
    item_id: str
    title: str
    content: str
    domain: str
    things: frozenset[str]
    status: str = "pending"
    owner: str | None = None
    approved_once: bool = False
    decided_at: datetime | None = None
    standing: tuple[float, float, int] = (0.0, 0.0, 0)
    confirmed_at: datetime | None = None
    owed: bool = True


@dataclass
class Evidence:
    item: str
    row: Row
    gone: bool = False

    @property
    def session(self) -> str:
        return str(self.row["session_id"] or self.row["session_file"])


@dataclass
class Model:
    """What is known; the inbox is told to it as it is filled."""

    inbox: dict[tuple[str, str], Row] = field(default_factory=dict)
    taken: dict[tuple[str, str], tuple[Row, str]] = field(default_factory=dict)
    items: dict[str, Item] = field(default_factory=dict)
    evidence: dict[str, Evidence] = field(default_factory=dict)
    relations: set[tuple[str, str]] = field(default_factory=set)
    #: The newer and the older item, and how it was settled: by itself where one of them counts no more.
    contradictions: dict[tuple[str, str], str | None] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)

    def bring(self, *rows: Row) -> None:
        for row in rows:
            self.inbox[row["session_file"], row["candidate_id"]] = row

    def replace(self, session: str, *rows: Row) -> None:
        self.inbox = {key: row for key, row in self.inbox.items() if key[0] != session}
        self.bring(*rows)

    def drain(self, now: datetime) -> None:
        """Take in what waits, in order; then compare; then look where everything stands."""
        touched = set()
        for key, row in self.inbox.items():
            told = {name: row[name] for name in ("detection_type", "domain", "title", "content", "entities")}
            if key in self.taken and self.taken[key][0] == told:
                continue
            item = self._exact(row) or self._near(row) or self._new(row)
            self.taken[key] = (told, self._prove(item, row))
            touched.add(item)
        for item in touched:
            self._stand(self.items[item], now)
        order = list(self.items)
        for one in list(self.items.values()):
            if one.owed and one.owner is None and one.status in LIVE:
                for other in self._others(one):
                    if other.status in LIVE and ratio(one.content, other.content) >= 0.6:
                        pair = sorted((one.item_id, other.item_id), key=order.index, reverse=True)
                        if (
                            opposed(one.content, other.content)
                            and common(one.content, other.content)
                            and self.contradictions.get((pair[0], pair[1]), "closed") == "closed"
                        ):
                            self.contradictions[pair[0], pair[1]] = None
            one.owed = False
        for name, proof in self.evidence.items():
            proof.gone = not any(self._holds(key, name, proof) for key in self.inbox if key[0] not in self.gone)

    def _holds(self, key: tuple[str, str], name: str, proof: Evidence) -> bool:
        row = self.inbox[key]
        if key in self.taken and self.taken[key][1] == name:
            return True
        place = (row["session_id"] or row["session_file"]) == proof.session
        same = row["turn_id"] == proof.row["turn_id"] or place or key[0] == proof.row["session_file"]
        return bool(same) and row["user_quote"] == proof.row["user_quote"]

    def _others(self, one: Item | Row) -> list[Item]:
        """Everything of its domain that is not personal."""
        domain = one.domain if isinstance(one, Item) else one["domain"]
        return [
            item for item in self.items.values() if item is not one and item.domain == domain and item.owner is None
        ]

    def _exact(self, row: Row) -> str | None:
        user = row["username"]
        ours = [item for item in self.items.values() if item.owner in (None, user)]
        alternative = f"{row['content']}\0{user}"
        for found in (
            [item for item in ours if item.item_id == self._name(row["title"], row["content"])],
            [item for item in ours if (item.title, item.content) == (row["title"], row["content"])],
            [item for item in ours if item.item_id == self._name(row["title"], alternative)],
        ):
            for item in sorted(found, key=lambda one: one.owner is not None):
                if not opposed(item.content, row["content"]):
                    return item.item_id
        return None

    def _name(self, title: str, content: str) -> str:
        return named("kv_", 12, f"{title}:{content}")

    def _near(self, row: Row) -> str | None:
        if row["detection_type"] == "correction":
            return None
        near = []
        for item in self._others(row):
            like = ratio(row["content"], item.content)
            shared = len(item.things & _things(row))
            if (like >= 0.82 or (like >= 0.65 and shared >= 2)) and not opposed(row["content"], item.content):
                near.append((item.status not in LIVE, -like, item.item_id))
        return min(near)[2] if near else None

    def _new(self, row: Row) -> str:
        name = self._name(row["title"], row["content"])
        if name in self.items:
            name = self._name(row["title"], f"{row['content']}\0{row['username']}")
        likes = sorted((-ratio(row["content"], item.content), item.item_id) for item in self._others(row))
        self.relations |= {(name, other) for like, other in [one for one in likes if -one[0] >= 0.65][:5]}
        self.items[name] = Item(name, row["title"], row["content"], row["domain"], _things(row))
        return name

    def _prove(self, item: str, row: Row) -> str:
        session = row["session_id"] or row["session_file"]
        place = f"turn:{row['turn_id']}" if row["turn_id"] else f"session:{session}"
        name = named("ev_", 16, item, place, row["user_quote"])
        if name not in self.evidence:
            for other, proof in self.evidence.items():
                if (proof.item, proof.session, proof.row["user_quote"]) == (item, session, row["user_quote"]):
                    return other
            self.evidence[name] = Evidence(item, row)
        return name

    def _stand(self, item: Item, now: datetime) -> None:
        proofs = [proof.row for proof in self.evidence.values() if proof.item == item.item_id]
        worth = [0.6 if row["detection_type"] == "confirmation" else 0.9 for row in proofs]
        item.standing = (
            max(worth, default=0.6), 0.4 if proofs else 0.0, len({row["username"] for row in proofs}),
        )  # fmt: skip
        said = max((row["occurred_at"] for row in proofs), default=None)
        if item.status in ("approved", "mandatory"):
            item.confirmed_at = max(at for at in (said, item.decided_at) if at is not None)
        elif said is not None:
            item.confirmed_at = said

    def decide(self, which: str, after: str, now: datetime) -> None:
        item = self.items[which]
        item.owed = item.owed or (item.status not in LIVE and after in LIVE)
        item.status, item.decided_at = after, now
        if after not in LIVE:
            self.close(which)
        if after in ("approved", "mandatory"):
            item.approved_once = True
            item.confirmed_at = now

    def close(self, which: str) -> None:
        """What was open with an item is settled by its end."""
        for pair, settled in self.contradictions.items():
            if which in pair and settled is None:
                self.contradictions[pair] = "closed"

    def settle(self, pair: tuple[str, str], resolution: str, now: datetime) -> None:
        self.contradictions[pair] = resolution
        if resolution != "both_valid":
            self.decide(pair[1] if resolution == "kept_a" else pair[0], "superseded", now)

    def edit(self, which: str, content: str, owner: str | None) -> None:
        item = self.items[which]
        changed = (item.content, item.owner) != (content, owner)
        item.content, item.owner = content, owner
        item.owed = item.owed or (changed and owner is None)

    def forget(self, session: str, now: datetime) -> None:
        """Its rows, its proofs unless they stand elsewhere, and what nothing proves and nobody approved."""
        mine = {name for key, (_, name) in self.taken.items() if key[0] == session}
        mine |= {name for name, proof in self.evidence.items() if proof.row["session_file"] == session}
        touched = {self.evidence[name].item for name in mine}
        for name in mine:
            proof = self.evidence[name]
            elsewhere = [
                row
                for key, row in sorted(self.inbox.items())
                if key[0] != session
                and (
                    (key in self.taken and self.taken[key][1] == name)
                    or (row["turn_id"] == proof.row["turn_id"] and row["user_quote"] == proof.row["user_quote"])
                )
            ]
            if elsewhere:
                at = {key: elsewhere[0][key] for key in ("session_file", "session_id", "username")}
                proof.row = {**proof.row, **at}
            else:
                del self.evidence[name]
        self.inbox = {key: row for key, row in self.inbox.items() if key[0] != session}
        self.taken = {key: found for key, found in self.taken.items() if key[0] != session}
        for name in touched:
            item = self.items[name]
            if item.approved_once or any(proof.item == name for proof in self.evidence.values()):
                self._stand(item, now)
                continue
            del self.items[name]
            self.relations = {pair for pair in self.relations if name not in pair}
            self.contradictions = {pair: how for pair, how in self.contradictions.items() if name not in pair}

    def tables(self) -> dict[str, Any]:
        """What a comparison looks at."""
        return {
            "items": {
                one.item_id: (one.title, one.content, one.status, one.owner, *one.standing, one.confirmed_at)
                for one in self.items.values()
            },
            "evidence": {
                name: (
                    proof.item,
                    proof.row["session_file"],
                    proof.row["username"],
                    proof.row["user_quote"],
                    proof.gone,
                )
                for name, proof in self.evidence.items()
            },
            "relations": self.relations,
            "contradictions": self.contradictions,
        }


def _things(row: Row) -> frozenset[str]:
    return frozenset(json.loads(row["entities"]))
