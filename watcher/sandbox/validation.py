"""Validation of a processor's result, and its conversion to JSON lines for the database."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec

from processors.contract import ColumnType, Extraction, Row, Schema, Table

#: The largest carry as JSON, in bytes.
LARGEST_CARRY = 64_000

_TYPES: dict[ColumnType, Any] = {
    "text": str | None,
    "integer": int | None,
    "real": float | None,
    "boolean": bool | None,
    "timestamp": Annotated[datetime, msgspec.Meta(tz=True)] | None,
}
# A NUL as JSON writes it, and not a backslash followed by "u0000".
_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")


class Nonsense(Exception):
    """A processor's result violates the contract; the message says how."""


class RowWriter:
    """Checks extractions against one processor's schema and writes their rows as JSON lines."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._encoder = msgspec.json.Encoder(decimal_format="number")
        self._known: set[tuple[str, type]] = set()
        self._row_types = {
            name: msgspec.defstruct(
                "Row",
                [
                    (column, _TYPES[kind]) if column in table.key else (column, _TYPES[kind], None)
                    for column, kind in table.columns.items()
                    if column != table.session
                ],
                forbid_unknown_fields=True,
                kw_only=True,
            )
            for name, table in schema.tables.items()
        }

    def check(self, extraction: Extraction, data: bytes) -> None:
        """Check counts, ``consumed`` and table names.

        Raises:
            Nonsense: one of them is invalid.
        """
        if not isinstance(extraction, Extraction):
            raise Nonsense(f"extract returned {type(extraction).__name__}, not an Extraction")
        for field, value in (("items", extraction.items), ("bad_lines", extraction.bad_lines)):
            if type(value) is not int or not 0 <= value < 2**62:
                raise Nonsense(f"{field} is {value!r}, not a count")
        consumed = extraction.consumed
        if consumed is not None:
            if type(consumed) is not int or not 0 < consumed <= len(data):
                raise Nonsense(f"consumed is {consumed!r}, not a number of bytes from 1 to {len(data)}")
            if consumed < len(data) and data[consumed - 1 : consumed] != b"\n":
                raise Nonsense(f"consumed is {consumed}, which is not at a line's end")
        if not isinstance(extraction.rows, Mapping):
            raise Nonsense(f"rows is {type(extraction.rows).__name__}, not a mapping from table to rows")
        for name in extraction.rows:
            if name not in self._schema.tables:
                raise Nonsense(f"rows for the table {name!r}, which is not in the schema")

    def rows(self, rows: Mapping[str, Sequence[Row]], key: str) -> dict[str, bytes]:
        """Rows by table as JSON lines, with the session key filled in.

        Raises:
            Nonsense: a row does not fit its table.
        """
        made = {}
        for name, table_rows in rows.items():
            if not isinstance(table_rows, Sequence):
                raise Nonsense(f"rows of {name} are {type(table_rows).__name__}, not a sequence of rows")
            if table_rows:
                made[name] = self._table(name, table_rows, key)
        return made

    def carry(self, carry: Mapping[str, Any]) -> bytes:
        """The carry as JSON."""
        if not isinstance(carry, Mapping):
            raise Nonsense(f"carry is {type(carry).__name__}, not a mapping")
        try:
            encoded = self._encoder.encode(carry)
        except (TypeError, ValueError) as error:
            raise Nonsense(f"carry cannot be kept as JSON: {error}") from None
        if len(encoded) > LARGEST_CARRY:
            raise Nonsense(f"carry has {len(encoded)} bytes, more than {LARGEST_CARRY}")
        return encoded

    def after(self, statements: Sequence[tuple[str, Sequence[Any]]]) -> list[tuple[str, list[Any]]]:
        """The statements to run after the rows."""
        try:
            named = [(str(name), list(parameters)) for name, parameters in statements]
            msgspec.msgpack.encode(named)
        except (TypeError, ValueError) as error:
            raise Nonsense(f"after is {repr(statements)[:200]}, not statements with parameters: {error}") from None
        for name, _ in named:
            if name not in self._schema.statements:
                raise Nonsense(f"after names the statement {name!r}, which is not in the schema")
        return named

    def withdrawn(self, positions: Mapping[str, Sequence[int]]) -> dict[str, list[int]]:
        """Positions of stored rows to delete, by table.

        Raises:
            Nonsense: a table has no deduplication or no position column.
        """
        made = {}
        for name, places in positions.items():
            table = self._schema.tables.get(name)
            if table is None or table.once is None or table.columns.get("position") != "integer":
                raise Nonsense(f"withdrawn names {name!r}, which is no table that counts once and has a position")
            if not all(type(place) is int for place in places):
                raise Nonsense(f"withdrawn positions of {name} are {repr(places)[:200]}, not whole numbers")
            if places:
                made[name] = list(places)
        return made

    def filled(self, rows: Sequence[Mapping[str, Any]]) -> bytes:
        """The columns of a backfill as JSON lines.

        Raises:
            Nonsense: a row's columns are not those of the schema.
        """
        backfill = self._schema.backfill
        columns = set(backfill.columns) if backfill is not None else set()
        for row in rows:
            if set(row) != columns:
                raise Nonsense(f"backfill returned the columns {sorted(row)}, the schema has {sorted(columns)}")
        return self._encoder.encode_lines(list(rows))

    def _table(self, name: str, rows: Sequence[Row], key: str) -> bytes:
        table = self._schema.tables[name]
        if not isinstance(rows[0], msgspec.Struct):
            try:
                rows = msgspec.convert(list(rows), list[self._row_types[name]])  # type: ignore[name-defined]
            except msgspec.ValidationError as error:
                raise Nonsense(f"a row of {name} does not fit: {error}") from None
        kinds = {type(row) for row in rows}
        for kind in kinds:
            self._check_struct(name, table, kind)
        filled = all(table.session in kind.__struct_fields__ for kind in kinds)
        if filled:
            for row in rows:
                setattr(row, table.session, key)
        own_key = [column for column in table.key if column != table.session]
        if table.key:  # the last row of a key wins, as with consecutive upserts
            try:
                rows = list({tuple(getattr(row, column) for column in own_key): row for row in rows}.values())
            except TypeError as error:
                raise Nonsense(f"a row of {name} has a key that is none: {error}") from None
        try:
            lines = self._encoder.encode_lines(rows)
        except UnicodeEncodeError:
            lines = self._encoder.encode_lines([_without_surrogates(msgspec.to_builtins(row)) for row in rows])
        except (TypeError, ValueError, OverflowError) as error:
            raise Nonsense(f"a row of {name} cannot be stored: {error}") from None
        # Searching one byte is many times faster than several, and rows rarely contain it.
        if b"\\" in lines and b"\\u0000" in lines:
            lines = _NUL.sub("\\1\ufffd".encode(), lines)
        if filled:
            return lines
        # Line breaks inside JSON text are escaped, so these bytes occur only between rows.
        start = b'{"' + table.session.encode() + b'":' + self._encoder.encode(key)
        if len(table.columns) == 1:
            return (start + b"}\n") * len(rows)
        start += b","
        return start + lines[1:].replace(b"\n{", b"\n" + start)

    def _check_struct(self, name: str, table: Table, kind: Any) -> None:
        if (name, kind) in self._known:
            return
        fields = set(getattr(kind, "__struct_fields__", ()))
        columns = set(table.columns) - {table.session}
        if fields - {table.session} != columns:
            raise Nonsense(f"rows of {name} have the fields {sorted(fields)}, the table has {sorted(columns)}")
        if table.session in fields and kind.__struct_config__.frozen:
            raise Nonsense(f"rows of {name} are frozen, and their {table.session} cannot be filled in; leave it out")
        self._known.add((name, kind))


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    return value
