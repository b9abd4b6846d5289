"""Request parameters: types with bounds and allowed characters."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated

from fastapi import Path, Query
from pydantic import BeforeValidator, Field
from pydantic.json_schema import SkipJsonSchema

#: No control characters: not every database stores them, and no log should.
PLAIN = r"^[^\x00-\x1f\x7f]*$"
#: Text of several lines, without NUL: not every database stores it.
TEXT = r"^[^\x00]*$"
#: The most rows of one answer; for more, send several requests.
MOST_ROWS = 10_000


def _day(value: object) -> object:
    # Numbers would be taken for seconds since 1970.
    if isinstance(value, str) and not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise ValueError("a day such as 2026-01-31 is accepted")
    return value


Since = Annotated[
    date | SkipJsonSchema[None],
    BeforeValidator(_day),
    Query(description="The first day, as YYYY-MM-DD.", examples=["2026-01-01"]),
]
Until = Annotated[
    date | SkipJsonSchema[None],
    BeforeValidator(_day),
    Query(description="The last day (inclusive), as YYYY-MM-DD.", examples=["2026-01-31"]),
]
Word = Annotated[str, Query(max_length=500, pattern=PLAIN)]
#: An empty value is refused where it is used, in the words of the commands.
Name = Annotated[str, Query(max_length=200, pattern=PLAIN)]
OptionalName = Annotated[str, Field(max_length=500, pattern=PLAIN)] | SkipJsonSchema[None]
OptionalText = Annotated[str, Field(max_length=2000, pattern=TEXT)] | SkipJsonSchema[None]
Identity = Annotated[str, Path(min_length=1, max_length=200, pattern=PLAIN, examples=["kv_0f4e7d2a8a4c"])]
Limit = Annotated[int, Query(ge=1, le=MOST_ROWS, description="The most rows to return.")]
Offset = Annotated[int, Query(ge=0, le=1_000_000_000, description="Rows to skip.")]
