"""The main database as its owner opens and closes it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from sqlalchemy import text

from storage.database import Database, DatabaseClosed, sqlite_url


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(sqlite_url(tmp_path / "main.db"))


def test_closing_waits_for_the_transaction_of_another_thread(database: Database):
    inside, go_on, closed = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        with database.write() as connection:
            inside.set()
            go_on.wait(10)
            connection.execute(text("CREATE TABLE t (x INTEGER)"))

    def close() -> None:
        database.close()
        closed.set()

    threads = [threading.Thread(target=work), threading.Thread(target=close)]
    threads[0].start()
    inside.wait(10)
    threads[1].start()

    assert not closed.wait(0.05)
    go_on.set()
    assert closed.wait(10)
    for thread in threads:
        thread.join(10)


def test_nothing_is_read_or_written_once_it_is_closed(database: Database):
    database.close()

    with pytest.raises(DatabaseClosed), database.write():
        pass
    with pytest.raises(DatabaseClosed), database.read():
        pass
