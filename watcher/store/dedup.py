"""Deduplication: of the rows with equal keys (`Once.by`), the best one is ``counted``.

The flags of incoming rows are decided before the insert, and only rows committed earlier
are updated: DuckDB 2.0 corrupts its memory when one UPDATE by rowid meets both
committed rows and rows of its own transaction.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from processors.contract import Once, Table
from watcher.store.database import Connection, Database
from watcher.store.sql import quoted

#: Above this size of the incoming rows, in bytes, rows without duplicates are separated first.
MANY = 16_000

_WORD = re.compile(r"\w+")


class Counting:
    """Inserts rows into one table and maintains its ``counted`` column."""

    def __init__(self, name: str, table: Table, once: Once, database: Database) -> None:
        target, by = quoted(name), ", ".join(map(quoted, once.by))
        columns = ", ".join(map(quoted, table.columns))
        best = ", ".join(_term(table, term, database.collate) for term in once.best)
        merges_of = {column: sql.replace("{collate}", database.collate) for column, sql in once.merged.items()}
        over = f"OVER (PARTITION BY {by})"
        merged = {column: quoted(f"once_merged_{column}") for column in once.merged}
        together = "".join(f", {merges_of[column]} AS {to}" for column, to in merged.items())
        merging = "".join(f", {merges_of[column]} {over} AS {to}" for column, to in merged.items())
        merges = "".join(f", {to}" for to in merged.values())
        differs = "".join(f" OR (once_rank = 1 AND {quoted(c)} IS DISTINCT FROM {to})" for c, to in merged.items())
        decided = {"counted": "once_rank = 1", **merged}
        # Only the columns that decide are sorted; the rest of a row stays in `incoming`.
        words = {
            word for text in (*once.by, *once.best, *once.merged, *once.merged.values()) for word in _WORD.findall(text)
        }
        judged = ", ".join(quoted(column) for column in table.columns if column in words or column == "counted")
        self._columns = table.columns
        self._incoming = (
            f"CREATE TEMPORARY TABLE incoming AS SELECT row_number() OVER () AS once_incoming, {columns} FROM "
        )
        self._touched = (
            f"CREATE TEMPORARY TABLE touched AS SELECT {by} FROM incoming UNION ALL"
            f" SELECT {by} FROM {target} WHERE {quoted(table.session)} = ANY($1)"
        )
        self._delete_old = f"DELETE FROM {target} WHERE {quoted(table.session)} = ANY($1)"
        withdrawn = f"{quoted(table.session)} = $1 AND position = ANY($2)"
        self._touch_withdrawn = f"INSERT INTO touched SELECT {by} FROM {target} WHERE {withdrawn}"
        self._delete_withdrawn = f"DELETE FROM {target} WHERE {withdrawn}"

        everything = (
            f"SELECT {database.row_id} AS once_stored, CAST(NULL AS BIGINT) AS once_incoming, {judged} FROM {target}"
        )

        def stored(touched: str) -> str:
            """The stored rows with a touched key."""
            return f"{everything} WHERE ({by}) IN (SELECT {by} FROM {touched})"

        self._verdict_on_all = (
            f"CREATE TEMPORARY TABLE verdict AS SELECT once_stored, once_rank{merges} FROM ("
            f"SELECT *, row_number() OVER (PARTITION BY {by} ORDER BY {best}) AS once_rank{merging}"
            f" FROM ({everything}) AS stored) AS ranked"
            f" WHERE counted IS DISTINCT FROM (once_rank = 1){differs}"
        )

        def ranked(stored: str, incoming: str) -> str:
            """Stored and incoming rows, ranked by which would count."""
            return (
                f"SELECT once_stored, once_incoming, once_rank{merges} FROM ("
                f"SELECT *, row_number() OVER (PARTITION BY {by} ORDER BY {best}) AS once_rank{merging} FROM ("
                f"{stored} UNION ALL SELECT NULL, once_incoming, {judged} FROM {incoming}) AS rows_of_things) AS ranked"
                f" WHERE once_incoming IS NOT NULL OR counted IS DISTINCT FROM (once_rank = 1){differs}"
            )

        def verdict(touched: str, many: bool) -> str:
            made = ranked(stored(touched), "incoming")
            if many:  # Most keys have one row; with many rows it pays not to sort those.
                made = (
                    f"WITH stored AS ({stored(touched)}), alone AS ("
                    f"SELECT min(once_incoming) AS once_incoming{together} FROM incoming"
                    f" WHERE ({by}) NOT IN (SELECT {by} FROM stored) GROUP BY {by} HAVING count(*) = 1"
                    f") SELECT NULL AS once_stored, once_incoming, 1 AS once_rank{merges} FROM alone UNION ALL "
                    + ranked(
                        "SELECT * FROM stored", "incoming WHERE once_incoming NOT IN (SELECT once_incoming FROM alone)"
                    )
                )
            return f"CREATE TEMPORARY TABLE verdict AS {made}"

        # If no stored rows are deleted, only the keys of incoming rows are touched.
        self._verdict = {
            (old, many): verdict("touched" if old else "incoming", many)
            for old in (False, True)
            for many in (False, True)
        }
        self._update = (
            f"UPDATE {target} SET counted = (verdict.once_rank = 1)"
            + "".join(f", {quoted(column)} = verdict.{to}" for column, to in merged.items())
            + " FROM verdict WHERE verdict.once_stored IS NOT NULL"
            + f" AND {target}.{database.row_id} = verdict.once_stored"
        )
        self._insert = (
            f"INSERT INTO {target} ({columns})"
            f" SELECT {', '.join(decided.get(column, 'incoming.' + quoted(column)) for column in table.columns)}"
            " FROM incoming JOIN verdict ON verdict.once_incoming = incoming.once_incoming"
        )

    def apply(
        self, connection: Connection, old: Sequence[str], lines: bytes, withdrawn: Mapping[str, Sequence[int]]
    ) -> None:
        """Replace rows and update ``counted``.

        ``old``: sessions whose rows are all deleted; ``lines``: new rows as JSON lines; ``withdrawn``: positions of
        rows to delete, by session.
        """
        self._clear(connection)
        with connection.rows(self._columns, lines) as source:
            connection.execute(self._incoming + source)
        touched = bool(old or withdrawn)
        if touched:
            connection.execute(self._touched, [list(old) or [""]])
            for key, positions in withdrawn.items():
                connection.execute(self._touch_withdrawn, [key, list(positions)])
                connection.execute(self._delete_withdrawn, [key, list(positions)])
        if old:
            connection.execute(self._delete_old, [list(old)])
        connection.execute(self._verdict[touched, len(lines) > MANY])
        connection.execute(self._update)
        connection.execute(self._insert)

    def recount(self, connection: Connection) -> None:
        """Recompute ``counted`` for all rows."""
        self._clear(connection)
        connection.execute(self._verdict_on_all)
        connection.execute(self._update)

    def _clear(self, connection: Connection) -> None:
        for name in ("incoming", "touched", "verdict"):
            connection.execute(f"DROP TABLE IF EXISTS {name}")


def _term(table: Table, term: str, collate: str) -> str:
    """An ORDER BY term over a column, with text sorted by code point."""
    column, _, rest = term.partition(" ")
    return f"{quoted(column)}{collate if table.columns[column] == 'text' else ''} {rest}".rstrip()
