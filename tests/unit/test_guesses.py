"""Wrong tokens: whoever guesses waits, whoever is known does not, and no memory is filled by either."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from tests.support.clock import Clock
from watcher.http.guesses import FREE, LONGEST_WAIT, MOST, STEP, Guesses


@dataclass
class Door:
    """Guesses, with a clock of the test's."""

    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.guesses = Guesses(self.clock)

    def wrong(self, number: int, address: str = "10.0.0.1") -> list[float | None]:
        """So many wrong tokens at once; what each had to wait."""
        waits = []
        for n in range(number):
            waits.append(self.guesses.wait(address, f"wrong-{n}-{self.clock.now}"))
            if waits[-1] is not None:
                self.guesses.wrong(address, f"wrong-{n}-{self.clock.now}")
        return waits


@pytest.fixture
def door() -> Door:
    return Door()


def test_a_few_mistakes_cost_nothing_and_more_wait_longer_each_time(door: Door) -> None:
    """Then they are turned away, without being looked at; a second forgives one."""
    waits = door.wrong(30)
    free, slowed = int(FREE), int(LONGEST_WAIT / STEP)
    assert waits[:free] == [0.0] * free
    assert waits[free : free + slowed] == [STEP * (n + 1) for n in range(slowed)]
    assert waits[free + slowed :] == [None] * (30 - free - slowed)
    door.clock.now += 1
    assert door.wrong(2) == [LONGEST_WAIT, None]
    door.clock.now += 3600
    assert door.wrong(1) == [0.0]
    counts = door.guesses.counts
    assert (counts.wrong, counts.slowed, counts.turned_away) == (free + slowed + 2, slowed + 1, 30 - free - slowed + 1)


def test_guessing_goes_on_at_one_a_second_at_most(door: Door) -> None:
    """However many are sent at once, and however long."""
    looked_at = 0
    for _ in range(200):
        looked_at += sum(wait is not None for wait in door.wrong(10))
        door.clock.now += 1
    assert looked_at <= 200 + FREE + LONGEST_WAIT / STEP


def test_who_is_known_does_not_wait_for_others_guesses(door: Door) -> None:
    """A token that was right from the same address before is looked at at once; from elsewhere it is a guess."""
    assert door.guesses.wait("10.0.0.1", "right") == 0.0
    door.guesses.right("10.0.0.1", "right")
    door.wrong(100)
    assert door.guesses.wait("10.0.0.1", "right") == 0.0
    assert door.guesses.wait("10.0.0.1", "also right, but new") is None
    door.wrong(100, "10.0.0.2")
    assert door.guesses.wait("10.0.0.2", "right") is None
    assert door.guesses.wait("10.0.0.3", "right") == 0.0
    # Revoked, it is as good as any other.
    door.guesses.wrong("10.0.0.1", "right")
    assert door.guesses.wait("10.0.0.1", "right") is None


def test_many_right_ones_are_no_guesses(door: Door) -> None:
    """A whole team behind one address signs in without waiting."""
    for n in range(100):
        assert door.guesses.wait("10.0.0.1", f"right-{n}") == 0.0
        door.guesses.right("10.0.0.1", f"right-{n}")


def test_an_address_of_ipv6_is_its_network(door: Door) -> None:
    """Whoever has one has them all."""
    waits = [wait for n in range(30) for wait in door.wrong(1, f"2001:db8::{n:x}")]
    assert waits[-1] is None
    assert door.wrong(1, "2001:db8:0:1::1") == [0.0]


def test_memory_is_bounded(door: Door) -> None:
    """However many addresses and tokens there are."""
    for n in range(MOST + 100):
        door.wrong(1, f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}")
        door.guesses.right("10.0.0.1", f"right-{n}")
    assert len(door.guesses._tried) <= MOST and len(door.guesses._right) <= MOST
