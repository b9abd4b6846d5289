"""The oracle's lenient reading: a field of another type than the rule expects is as good as absent."""

from __future__ import annotations

from typing import Any

from tests.support.oracle_reading import MOST_TOKENS, Object


def a_string(fields: Object, name: str) -> str | None:
    """The string of that name, if it is one."""
    value = fields.get(name)
    return value if isinstance(value, str) else None


def an_object(fields: Object, name: str) -> Object:
    """The object of that name, an empty one where there is none."""
    value = fields.get(name)
    return value if isinstance(value, dict) else {}


def a_count(fields: Object, name: str) -> int | None:
    """The whole number from 0 to 10^12 of that name, if it is one."""
    value = fields.get(name)
    return value if type(value) is int and 0 <= value <= MOST_TOKENS else None


def a_number(fields: Object, name: str) -> float | None:
    """The number of that name, if it is one that can be reckoned with."""
    value: Any = fields.get(name)
    if type(value) not in (int, float):
        return None
    number = float(value)
    return number if abs(number) < float("inf") else None


def objects(fields: Object, name: str) -> list[Object] | None:
    """The list of objects of that name, if it is one."""
    value = fields.get(name)
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        return None
    return value


def strings(fields: Object, name: str) -> list[str] | None:
    """The list of strings of that name, if it is one."""
    value: Any = fields.get(name)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        return None
    return value
