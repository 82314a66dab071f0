"""Child readers: what one message does to its reader costs that message alone."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from ingest.children import ChildLimits, Failure, FailureKind, ReaderNotStarted, Readers
from ingest.domain.deliveries import UnreadableDelivery
from ingest.domain.mails import Mail
from ingest.mail.message import parse

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Echo:
    """What the reader of these tests makes of an item."""

    size: int
    tail: bytes
    pid: int
    at: datetime = datetime(2024, 5, 3, tzinfo=UTC)


def echo(item: bytes) -> Echo:
    """Do what the item says, as a hostile message might make a parser do it."""
    if item == b"die":
        os._exit(7)
    if item == b"crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if item == b"loop":
        while True:
            pass
    if item == b"hang":
        threading.Event().wait()
    if item == b"eat":
        _ = [bytes(16 * MIB) for _ in range(1_000)]
    if item == b"refuse":
        raise UnreadableDelivery("it says so itself")
    if item == b"fail":
        raise KeyError("a fault of ours")
    if item == b"print":
        print("stray words on standard output", flush=True)
    if item == b"environment":
        return Echo(size=len(item), tail=" ".join(sorted(os.environ)).encode(), pid=os.getpid())
    return Echo(size=len(item), tail=item[-8:], pid=os.getpid())


QUICK = ChildLimits(memory=64 * MIB, cpu_s=0.3, wall_s=1.5)


@pytest.fixture
def readers():  # type: ignore[no-untyped-def]
    with Readers(echo, limits=QUICK) as readers:
        yield readers


def sizes(results: list[Echo | Failure]) -> list[int | FailureKind]:
    return [one.kind if isinstance(one, Failure) else one.size for one in results]


def test_results_come_in_the_order_of_the_items(readers: Readers[Echo]) -> None:
    items = [b"x" * size for size in range(200)]

    assert sizes(readers.read_many(items)) == list(range(200))


def test_times_come_back_aware(readers: Readers[Echo]) -> None:
    result = readers.read(b"x")

    assert isinstance(result, Echo)
    assert result.at == datetime(2024, 5, 3, tzinfo=UTC)


def test_nothing_to_read_starts_nothing_and_gives_nothing(readers: Readers[Echo]) -> None:
    assert readers.read_many([]) == []


def test_large_items_pass_while_answers_come_back(readers: Readers[Echo]) -> None:
    items = [bytes(5 * MIB), b"a", bytes(3 * MIB), b""]

    assert sizes(readers.read_many(items)) == [5 * MIB, 1, 3 * MIB, 0]


@pytest.mark.parametrize(
    ("poison", "kind"),
    [
        (b"die", FailureKind.DIED),
        (b"crash", FailureKind.DIED),
        (b"eat", FailureKind.DIED),
        (b"loop", FailureKind.TIMEOUT),
        (b"hang", FailureKind.TIMEOUT),
        (b"refuse", FailureKind.UNREADABLE),
        (b"fail", FailureKind.ERROR),
    ],
)
def test_poison_costs_itself_alone(
    readers: Readers[Echo], poison: bytes, kind: FailureKind
) -> None:
    results = readers.read_many([b"1", b"22", poison, b"4444", b"55555"])

    assert sizes(results) == [1, 2, kind, 4, 5]


def test_poison_after_poison_is_told_apart(readers: Readers[Echo]) -> None:
    results = readers.read_many([b"die", b"die", b"1", b"crash"])

    assert sizes(results) == [FailureKind.DIED, FailureKind.DIED, 1, FailureKind.DIED]


def test_the_reason_is_a_sentence_for_an_operator(readers: Readers[Echo]) -> None:
    died, refused, failed = readers.read_many([b"die", b"refuse", b"fail"])

    assert died == Failure(kind=FailureKind.DIED, reason="the reader died over it (exit 7)")
    assert refused == Failure(kind=FailureKind.UNREADABLE, reason="it says so itself")
    assert failed == Failure(kind=FailureKind.ERROR, reason="KeyError: 'a fault of ours'")


def test_cpu_time_has_a_limit_of_its_own() -> None:
    with Readers(echo, limits=ChildLimits(cpu_s=0.2, wall_s=30)) as readers:
        looped = readers.read(b"loop")

    reason = "not read within 0.2 s of CPU time"
    assert looped == Failure(kind=FailureKind.TIMEOUT, reason=reason)


def test_a_child_lives_from_batch_to_batch(readers: Readers[Echo]) -> None:
    first, second = readers.read(b"1"), readers.read(b"2")

    assert isinstance(first, Echo)
    assert isinstance(second, Echo)
    assert first.pid == second.pid != os.getpid()


def test_what_a_reader_prints_breaks_nothing(readers: Readers[Echo]) -> None:
    assert sizes(readers.read_many([b"print", b"x"])) == [5, 1]


def test_a_child_learns_no_setting_and_no_secret(
    readers: Readers[Echo], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEEPLINE_KEY_FILE", "/nowhere/key")

    result = readers.read(b"environment")

    assert isinstance(result, Echo)
    assert b"KEEPLINE" not in result.tail


def test_a_child_ends_when_its_pool_is_closed() -> None:
    with Readers(echo, limits=QUICK) as readers:
        result = readers.read(b"x")
    assert isinstance(result, Echo)

    with pytest.raises(ProcessLookupError):
        os.kill(result.pid, 0)


def test_several_threads_share_the_children_of_a_pool() -> None:
    found: list[list[int | FailureKind]] = []
    with Readers(echo, children=2, limits=QUICK) as readers:
        threads = [
            threading.Thread(target=lambda: found.append(sizes(readers.read_many([b"x", b"yy"]))))
            for _ in range(6)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert found == [[1, 2]] * 6


def _not_importable(item: bytes) -> Echo:
    raise AssertionError


def test_many_items_are_shared_among_the_children_and_come_back_in_order() -> None:
    with Readers(echo, children=3, limits=QUICK) as readers:
        items = [b"%08d" % number for number in range(29)]
        items[3] = b"die"
        found = readers.read_many(items)

    assert [it.tail if isinstance(it, Echo) else it.kind for it in found] == [
        FailureKind.DIED if number == 3 else item for number, item in enumerate(items)
    ]
    assert len({it.pid for it in found if isinstance(it, Echo)}) == 4  # one was started again


def test_reading_can_be_broken_off_and_nothing_is_said_of_what_was_not_read() -> None:
    readers = Readers(echo, limits=ChildLimits(memory=64 * MIB, cpu_s=60, wall_s=60))
    assert isinstance(readers.read(b"first"), Echo)
    found: list[object] = []

    def read() -> None:
        try:
            found.append(readers.read_many([b"read", b"hang"]))
        except ReaderNotStarted as error:
            found.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    while not readers.at_work:
        time.sleep(0.001)
    readers.stop()
    thread.join(10)
    readers.close()

    assert [str(each) for each in found] == ["reading has been stopped"]
    with pytest.raises(ReaderNotStarted):
        readers.read(b"later")


def test_a_function_that_cannot_be_found_is_said_plainly() -> None:
    def local(item: bytes) -> Echo:
        return _not_importable(item)

    with Readers(local) as readers, pytest.raises(ReaderNotStarted, match="locals"):
        readers.read(b"x")


def test_a_mail_comes_back_from_a_child_as_it_is_read_here() -> None:
    raw = b"From: Anna <a@b.example>\r\nDate: Fri, 3 May 2024 12:04:00 +0200\r\n\r\nx\r\n"
    with Readers(parse) as readers:
        mail, nothing = readers.read_many([raw, b""])

    assert isinstance(mail, Mail)
    assert mail == parse(raw)
    assert nothing == Failure(kind=FailureKind.UNREADABLE, reason="the message is empty")


def test_a_slow_batch_is_not_late_as_long_as_it_goes_on() -> None:
    limits = ChildLimits(memory=64 * MIB, cpu_s=5, wall_s=1.2)
    with Readers(busy, limits=limits) as readers:
        started = time.monotonic()
        results = readers.read_many([b"x"] * 8)

    assert time.monotonic() - started > limits.wall_s
    assert results == [1] * 8


def busy(item: bytes) -> int:
    """Use a little time."""
    until = time.monotonic() + 0.2
    while time.monotonic() < until:
        pass
    return len(item)
