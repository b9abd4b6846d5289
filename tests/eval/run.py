"""How well candidates are found, and what is personal in notes: precision and recall on labelled turns and notes.

``python -m tests.eval.run``.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from processors.verification.candidates import Candidate
from processors.verification.carry import without_secrets
from processors.verification.rules import Rules
from processors.verification.turns import Turn, TurnReader
from tests.support.knowledge import found_in

HERE = Path(__file__).parent
#: Written beside the rules, before they were widened, and by another hand, whom the rules have not seen.
FILES = {
    "turns": HERE / "turns.jsonl",
    "later turns": HERE / "turns_later.jsonl",
    "blind": HERE / "turns_blind.jsonl",
}
CONTEXT = 4
#: Lines of people's notes: those that the filter was written beside; and by another hand, who had not seen it,
#: those that it has been widened with, and those that it never saw: these are read by no one who works on it.
NOTES = {
    "notes": HERE / "notes.jsonl",
    "later notes": HERE / "notes_later.jsonl",
    "seen notes": HERE / "notes_seen.jsonl",
    "blind notes": HERE / "notes_blind.jsonl",
}


@dataclass(frozen=True)
class Judged:
    """A labelled turn and what was found in it."""

    name: str
    label: str
    text: str
    domain: str | None
    found: Candidate | None


@dataclass(frozen=True)
class Score:
    """What of a set was found, and what of that was right."""

    judged: Sequence[Judged]

    @property
    def taken(self) -> list[Judged]:
        return [one for one in self.judged if one.found is not None]

    @property
    def there(self) -> list[Judged]:
        return [one for one in self.judged if one.label != "none"]

    @property
    def right(self) -> list[Judged]:
        return [one for one in self.taken if one.label != "none"]

    @property
    def precision(self) -> float:
        """The share of what was taken that is there."""
        return len(self.right) / len(self.taken) if self.taken else 0.0

    @property
    def recall(self) -> float:
        """The share of what is there that was taken."""
        return len(self.right) / len(self.there) if self.there else 0.0

    @property
    def kind(self) -> float:
        """Of what was rightly taken, the share whose kind is right."""
        fits = sum(one.found is not None and one.found.detection_type == one.label for one in self.right)
        return fits / len(self.right) if self.right else 0.0

    @property
    def domain(self) -> float:
        """Of what was rightly taken, the share whose domain is right."""
        fits = sum(one.found is not None and one.found.domain == one.domain for one in self.right)
        return fits / len(self.right) if self.right else 0.0

    def __str__(self) -> str:
        kinds = "".join(
            f"; {kind} {self._of_kind(kind)}" for kind in ("correction", "confirmation", "unprompted_definition")
        )
        return (
            f"{len(self.judged)} turns, {len(self.there)} positive, {len(self.taken)} taken, "
            f"{len(self.right)} rightly: "
            f"precision {self.precision:.2f}, recall {self.recall:.2f}, kind {self.kind:.2f}, domain {self.domain:.2f}"
            f"{kinds}"
        )

    def _of_kind(self, kind: str) -> str:
        """Precision and recall of one kind, where a wrong kind is a miss."""
        taken = [one for one in self.taken if one.found is not None and one.found.detection_type == kind]
        there = [one for one in self.judged if one.label == kind]
        right = sum(one.label == kind for one in taken)
        return f"p {right / len(taken) if taken else 0:.2f} r {right / len(there) if there else 0:.2f}"


def judged(path: Path) -> Score:
    """A file of labelled turns, judged."""
    with path.open(encoding="utf-8") as lines:
        return Score([_judged(json.loads(line)) for line in lines if line.strip()])


def _judged(row: dict[str, Any]) -> Judged:
    before = [Turn(one["role"] != "assistant", one["text"]) for one in row["context"]]
    found = _find(before, Turn(True, row["turn"]))
    return Judged(row["id"], row["label"], row["turn"], row["domain"], found)


def _find(before: Sequence[Turn], turn: Turn) -> Candidate | None:
    return next((one.candidate for one in Rules().find(before, [without_secrets(turn)], CONTEXT)), None)


@dataclass(frozen=True)
class Kept:
    """A labelled line of a note, and whether it was kept back."""

    name: str
    personal: bool
    text: str
    back: bool


@dataclass(frozen=True)
class Filtered:
    """What of a set of notes was kept back, and what of that is personal or secret."""

    kept: Sequence[Kept]

    @property
    def right(self) -> int:
        return sum(one.back and one.personal for one in self.kept)

    @property
    def precision(self) -> float:
        """The share of what was kept back that is nobody else's business."""
        return self.right / max(1, sum(one.back for one in self.kept))

    @property
    def recall(self) -> float:
        """The share of what is nobody else's business that was kept back: the rest leaves."""
        return self.right / max(1, sum(one.personal for one in self.kept))

    @property
    def passed(self) -> float:
        """The share of what others may know that was let through: the rest has to be added by hand."""
        ours = [one for one in self.kept if not one.personal]
        return sum(not one.back for one in ours) / max(1, len(ours))

    def __str__(self) -> str:
        return (
            f"{len(self.kept)} lines, {sum(one.personal for one in self.kept)} personal, "
            f"{sum(one.back for one in self.kept)} kept back, {self.right} rightly: "
            f"precision {self.precision:.2f}, recall {self.recall:.2f}; of the others {self.passed:.2f} passed"
        )


def filtered(path: Path) -> Filtered:
    """A file of labelled lines of notes, looked through."""
    with path.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return Filtered(
        [
            Kept(row["id"], row["label"] == "personal", row["text"], is_kept_back(row["text"], row["headings"]))
            for row in rows
        ]
    )


def is_kept_back(text: str, headings: Sequence[str]) -> bool:
    """Whether the job keeps a line under these headings to itself."""
    note = "".join(f"{'#' * depth} {one}\n" for depth, one in enumerate(headings, 1)) + f"- {text}\n"
    return not found_in(note).items


def dialogues(folder: Path) -> Score:
    """The labelled turns of real sessions: a folder with LABELS.tsv (file, line, label, domain …)."""
    with (folder / "LABELS.tsv").open(encoding="utf-8", newline="") as table:
        return Score(list(_judged_lines(folder, list(csv.DictReader(table, delimiter="\t")))))


def _judged_lines(folder: Path, labels: list[dict[str, str]]) -> Iterator[Judged]:
    for label in labels:
        reader, before, found, words = TurnReader(), list[Turn](), None, ""
        lines = (folder / label["file"]).read_bytes().split(b"\n")[: int(label["line"])]
        for number, line in enumerate(lines, 1):
            turns, _ = reader.take(line, start=0 if number == 1 else None)
            for turn in turns:
                if number == len(lines) and turn.human:
                    words = words or turn.text
                    found = found or (None if turn.pick else _find(before, turn))
                before.append(turn)
        yield Judged(f"{label['file'][-30:]}:{label['line']}", label["label"], words, label["domain"], found)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dialogues", type=Path, help="a folder of real sessions with LABELS.tsv")
    parser.add_argument("--only", choices=sorted(FILES), help="one file alone")
    parser.add_argument("--wrong", action="store_true", help="show each turn that was judged wrongly")
    given = parser.parse_args(arguments)
    scores = {name: judged(path) for name, path in FILES.items() if given.only in (None, name) and path.exists()}
    if given.dialogues is not None:
        scores["dialogues"] = dialogues(given.dialogues)
    for name, score in scores.items():
        print(f"{name}: {score}")
        for one in score.judged if given.wrong else ():
            if (one.found is None) != (one.label == "none"):
                print(f"  {one.name} {one.label}: {' '.join(one.text.split())[:230]}")
    for name, path in NOTES.items() if given.only is None else ():
        told = filtered(path)
        print(f"{name}: {told}")
        # Nobody is to learn from the blind ones what the filter should know.
        for line in told.kept if given.wrong and name != "blind notes" else ():
            if line.back != line.personal:
                print(f"  {line.name} {'personal' if line.personal else 'ours'}: {line.text}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
