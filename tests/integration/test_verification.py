"""The processor as a whole: windows, memory, secrets, whose sessions, and that nothing stops it."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import xxhash

from processors.contract import Extraction, Lines, Session, Work
from processors.redaction import REDACTED, redact
from processors.verification import InboxRow, Verification, VerificationSettings
from processors.verification.candidates import Candidate, Found
from processors.verification.turns import Turn
from tests.support.talk_lines import SECRETS, agent, say
from watcher.sandbox.validation import LARGEST_CARRY, RowWriter


def extract(
    data: bytes,
    start: int = 0,
    carry: dict[str, Any] | None = None,
    processor: Verification | None = None,
    **given: Any,
) -> Extraction:
    processor = processor or Verification()
    work = Work(Session("ann/s.jsonl", "ann"), Lines(data), start, carry or {}, VerificationSettings(**given))
    extraction = processor.extract(work)
    writer = RowWriter(processor.schema)
    writer.check(extraction, data)
    writer.rows(extraction.rows, "ann/s.jsonl")
    assert len(writer.carry(extraction.carry)) <= LARGEST_CARRY
    return extraction


def inbox(data: bytes, cuts: list[int] | None = None, **given: Any) -> dict[str, InboxRow]:
    """The inbox after a session came in pieces, as the spine drives it; the carry as it comes out of the database."""
    rows: dict[str, InboxRow] = {}
    at, carry = 0, dict[str, Any]()
    for end in [*(cuts or []), len(data)]:
        while at < end:
            extraction = extract(data[at:end], at, carry, **given)
            rows |= {row.candidate_id: row for row in extraction.rows.get("knowledge_inbox", ())}
            carry = json.loads(json.dumps(extraction.carry))
            at = end if extraction.consumed is None else at + extraction.consumed
    return rows


def as_json(rows: dict[str, InboxRow]) -> list[Any]:
    return sorted(str([getattr(row, name) for name in row.__struct_fields__]) for row in rows.values())


def talk(seed: int, count: int = 80) -> bytes:
    """A conversation in which rules, repeats, queued messages, secrets and noise come and go."""
    rng = random.Random(seed)
    print(f"seed {seed}")
    lines = []
    for n in range(count):
        fact = rng.randrange(12)
        rule = f"Our invoices of kind {fact} are never sent before day {fact}, because auditors insist."
        lines.append(
            rng.choice(
                (
                    say(rule, n),
                    say(rng.choice(("ok, continue", "Yes, correct.", "no, not that one", "Yes, exactly")), n),
                    agent(f"I send kind {fact} at once. " + "More words. " * rng.randrange(300)),
                    agent(f"So kind {fact} is always sent by mail, is that correct? api_key=abc{fact}def456"),
                    json.dumps({"type": "queue-operation", "operation": "enqueue", "content": rule}).encode() + b"\n",
                    json.dumps({"type": "summary", "version": rng.choice(("2.1.100", "2.1.300"))}).encode() + b"\n",
                    b"bad\n",
                )
            )
        )
    return b"".join(lines)


@pytest.mark.parametrize("seed", range(6))
def test_pieces_make_the_whole(seed: int) -> None:
    """However a session is cut at its lines' ends, and however small its windows are, the inbox is the same."""
    rng, data = random.Random(seed), talk(seed)
    ends = [at + 1 for at, byte in enumerate(data) if byte == 10][:-1]
    whole = as_json(inbox(data))
    assert len(whole) > 5
    for cuts in ([], sorted(rng.sample(ends, 9)), ends):
        assert as_json(inbox(data, cuts)) == whole
        assert as_json(inbox(data, cuts, window_chars=1000)) == whole


def test_a_burst_of_a_thousand_turns_is_looked_at_to_the_last() -> None:
    """None is sampled away: each of a thousand different rules arrives, in windows of bounded size."""
    data = b"".join(
        say(f"Our plant number {n} never ships before noon, because of its contract {n}.", n) for n in range(1000)
    )
    assert len(inbox(data)) == 1000
    window = extract(data)
    assert window.consumed is not None and 0 < window.consumed < len(data)
    taken = sum(len(json.loads(line)["message"]["content"]) for line in data[: window.consumed].splitlines())
    assert 24_000 <= taken < 24_200


def test_a_second_yes_confirms_something_else() -> None:
    """The same short answer to another question of the same session is another candidate; to the same one it is not."""
    questions = ("So refunds keep the tax rate of their sale, is that right?", "So invoices are sent by mail, right?")
    data = b"".join(agent(one) + say("Yes, correct.", n) for n, one in enumerate((*questions, questions[0])))
    found = inbox(data)
    assert {row.user_quote for row in found.values()} == {"Yes, correct."} and len(found) == 2
    ends = [at + 1 for at, byte in enumerate(data) if byte == 10][:-1]
    assert as_json(inbox(data, ends)) == as_json(found)


class Forger:
    """An extractor that invents a quote beside one that stands."""

    name = "forger"

    def find(self, before: Sequence[Turn], turns: Sequence[Turn], context: int) -> Iterator[Found]:
        for turn in turns:
            for quote in ("nobody said this", "use  cents"):
                yield Found(Candidate("correction", "t", "c", quote, "finance"), turn)


def test_a_quote_that_nobody_said_is_dropped_and_counted() -> None:
    """Whoever extracts: what cannot be proven is not kept."""
    extraction = extract(say("please use\ncents") + say("other words"), processor=Verification(Forger()))
    (row,) = extraction.rows["knowledge_inbox"]
    assert (row.user_quote, row.extractor) == ("use cents", "forger")
    assert extraction.carry["dropped"] == 3


@pytest.mark.parametrize("secret", SECRETS)
def test_secrets_are_nowhere(secret: str) -> None:
    """Not in quote, title, content or entities, nor in what is carried; how many there were is kept."""
    data = agent(f"I use {secret} for it. So our `{secret}` is never rotated, is that correct?")
    data += say(f"our key {secret} is never rotated because the vendor, `{secret}`, does not allow it")
    extraction = extract(data)
    (row,) = extraction.rows["knowledge_inbox"]
    kept = str([getattr(row, name) for name in row.__struct_fields__]) + json.dumps(extraction.carry)
    assert secret not in kept and secret[:18] not in kept and REDACTED in row.user_quote
    assert row.secrets == 2 and extraction.carry["redacted"] == 2


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("password=hunter22 is it", "password=[redacted] is it"),
        ('api_key: "abc123def456"', 'api_key: "[redacted]"'),
        ("the password is hunter22x", "the password is [redacted]"),
        ("https://bob:s3cr3t@db.example/x", "https://[redacted]@db.example/x"),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY----- after", "[redacted] after"),
        ("the password is required and a token: string", "the password is required and a token: string"),
        ("see src/components/Form2/FormBody.tsx on 10.0.0.1", "see src/components/Form2/FormBody.tsx on 10.0.0.1"),
    ],
)
def test_what_a_secret_is(text: str, left: str) -> None:
    """Known keys, what is assigned to a secret's name, what looks random; not words, paths or addresses."""
    assert redact(text)[0] == left
    assert redact(left)[0] == left


def test_whose_sessions_are_mined() -> None:
    """Everybody's, or only those of the included, never those of the excluded."""
    data = say("Our invoices are never sent before the delivery, because auditors insist.")
    assert extract(data).items == 1
    assert extract(data, include_users=["ann"]).items == 1
    cases: list[dict[str, Any]] = [
        {"include_users": ["ben"]},
        {"exclude_users": ["ann"]},
        {"include_users": ["ann"], "exclude_users": ["ann"]},
    ]
    for given in cases:
        assert extract(data, **given) == Extraction()


def test_settings_that_cannot_work_are_refused() -> None:
    """With what is accepted."""
    cases: list[dict[str, Any]] = [{"window_chars": 0}, {"context_turns": 9}, {"context_turns": -1}]
    for given in cases:
        with pytest.raises(ValueError, match=next(iter(given))):
            VerificationSettings(**given)


def test_the_same_words_count_once_in_a_session() -> None:
    """Said again later, they are the same candidate, as it was first."""
    rule = "Our invoices are never sent before the delivery, because auditors insist."
    rows = inbox(say(rule, 1) + say("thanks", 2) + say(rule, 3))
    assert [row.turn_id for row in rows.values()] == ["u1"]


REFUNDS = "No, refunds belong to the ledger, not to the orders"
REFUSAL = "Net revenue excludes VAT, always use that"
MARGIN = "No, our gross margin never includes shipping, because the auditors insist"


def told(kind: str, version: str = "2.1.332", **given: Any) -> bytes:
    """A line of today's clients."""
    return json.dumps({"type": kind, "version": version, "sessionId": "s", **given}).encode() + b"\n"


def spoken(content: Any, **given: Any) -> bytes:
    return told("user", message={"role": "user", "content": content}, **given)


def queued(words: str, **origin: str) -> bytes:
    return told("attachment", attachment={"type": "queued_command", "prompt": words, "origin": origin})


def in_the_queue(operation: str) -> bytes:
    record = {"type": "queue-operation", "operation": operation, "sessionId": "s", "content": REFUNDS}
    return json.dumps(record).encode() + b"\n"


DENIED = [
    {"type": "tool_result", "tool_use_id": "t", "is_error": True, "content": f"Not now, the user said:\n{REFUSAL}"}
]


@pytest.mark.parametrize(
    ("lines", "quotes"),
    [
        ([in_the_queue("enqueue"), in_the_queue("remove"), queued(REFUNDS, kind="human")], [REFUNDS]),
        ([in_the_queue("enqueue"), spoken(REFUNDS, origin={"kind": "human"}, promptSource="queued")], [REFUNDS]),
        ([in_the_queue("enqueue")], []),
        ([told("system", "2.1.219"), in_the_queue("enqueue")], [REFUNDS]),
        ([told("system", "2.1.219"), in_the_queue("enqueue"), spoken(REFUNDS, version="2.1.219")], [REFUNDS]),
        ([queued(REFUNDS, kind="peer")], []),
        ([spoken(DENIED, toolDenialKind="user-rejected", userFeedback=REFUSAL)], [REFUSAL]),
        ([spoken(DENIED)], [REFUSAL]),
        ([spoken([{**DENIED[0], "content": "ok", "is_error": False}, {"type": "text", "text": REFUSAL}])], [REFUSAL]),
        ([spoken(f"Look at this mail:\n<pasted_content>{MARGIN}</pasted_content>")], []),
        ([spoken(f"Look at this mail:\n> {MARGIN}")], []),
        ([spoken(MARGIN)], [MARGIN]),
        ([spoken(MARGIN, promptSource="sdk", turnOrigin="sdk")], []),
        ([spoken(MARGIN, origin={"kind": "task-notification", "subkind": "scheduled-trigger"})], []),
        ([spoken(MARGIN, origin={"kind": "peer"})], []),
        ([spoken(f"<system-reminder>{MARGIN}</system-reminder>")], []),
        ([spoken(json.dumps({"task_id": "b1", "description": MARGIN}, separators=(",", ":")))], []),
        ([spoken(f"Implement the following plan:\n\n{MARGIN}")], []),
        ([spoken(one) for one in ("HEARTBEAT_OK", "continue", "NO_REPLY")], []),
    ],
)
def test_only_what_people_said_is_quoted_and_once(lines: list[bytes], quotes: list[str]) -> None:
    """As today's clients and older ones write it down, in one piece and line by line."""
    data = agent("I add refunds to the orders.") + b"".join(lines)
    ends = [at + 1 for at, byte in enumerate(data) if byte == 10][:-1]
    for cuts in ([], ends):
        assert [row.user_quote for row in inbox(data, cuts).values()] == quotes


def test_a_session_that_an_earlier_version_began_goes_on() -> None:
    """What version 2 remembered of a queued sentence, which it had taken already, still tells that it came before."""
    earlier = {
        "queued": [xxhash.xxh3_64_hexdigest(REFUNDS.lower().encode())],
        "context": [[False, "I add refunds to the orders.", None, False]],
    }
    assert extract(spoken(REFUNDS), 100, earlier).items == 0
    assert extract(spoken(REFUSAL), 100, earlier).items == 1


def test_nothing_stops_it() -> None:
    """Any bytes, in any place that it reads, give an answer that can be stored."""
    rng = random.Random(5)
    planted = talk(5, 30) + b'{"type":"user","toolUseResult":{"answers":{"a":"b"},"questions":[{"options":[1]}]}}\n'
    for _ in range(300):
        data = bytearray(planted[rng.randrange(len(planted) // 2) :][: rng.randrange(1, 4000)])
        for _ in range(rng.choice((0, 1, 5, 50))):
            data[rng.randrange(len(data))] = rng.choice(b'\0"\\{}[]:,\n\xff\xc3\xed9e-' + bytes([rng.randrange(256)]))
        work = Work(Session("ann/x.jsonl", "ann"), Lines(bytes(data), False), 0, {}, VerificationSettings())
        extraction = Verification().extract(work)
        writer = RowWriter(Verification.schema)
        writer.check(extraction, bytes(data))
        writer.rows(extraction.rows, "ann/x.jsonl")
        writer.carry(extraction.carry)
    deep = b'{"type":"attachment","attachment":{"type":"queued_command","prompt":' + b"[" * 5000 + b"]" * 5000 + b"}}\n"
    assert extract(deep).items == 0


def test_the_carry_fits_whatever_is_said() -> None:
    """Eight turns of the widest characters, and all the candidates that are remembered."""
    wide = '\U0001f600"\\' * 3000
    data = b"".join(say(f"Our plant {n} never ships before noon, because of contract {n}.", n) for n in range(600))
    data += b"".join(agent(wide) + say(wide) for _ in range(6))
    data += json.dumps({"type": "summary", "version": "2.1.100" + "\0" * 99_000}).encode() + b"\n"
    data += b"".join(
        json.dumps({"type": "queue-operation", "operation": "enqueue", "content": f"q{n}"}).encode() + b"\n"
        for n in range(99)
    )
    extraction = extract(data, window_chars=1_000_000, context_turns=8)
    assert extraction.consumed is None and len(extraction.carry["context"]) == 8
    assert len(extraction.carry["queued"]) == 50 and extraction.carry["version"].startswith("2.1.100")


def test_looking_for_processors_does_not_load_the_library() -> None:
    """Every command asks which processors there are; only a child needs to know what a secret looks like."""
    code = "import sys, processors.verification; print('detect_secrets' in sys.modules, 'requests' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["False", "False"]
