"""The fuzzer sees what breaks a rule; what it tries is what was recorded, changed."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from ingest.domain.deliveries import UnreadableDelivery
from tests.fuzzing import mails, telephony
from tests.fuzzing.__main__ import Found, Subject, run, try_one
from tests.fuzzing.mutations import MUTATIONS, mutated


def tried(attempt: object, path: Path, cpu_s: float = 1.0) -> Found:
    found = Found()
    subject = Subject(
        name="x",
        seeds=[b"seed"],
        mutate=lambda seed, chance: (seed, seed),
        attempt=attempt,  # type: ignore[arg-type]
        cpu_s=cpu_s,
    )
    try_one(subject, random.Random(1), found, path / "failures")
    return found


def test_what_raises_is_told_and_its_octets_are_kept(tmp_path: Path) -> None:
    def broken(what: bytes) -> None:
        raise KeyError("call_id")

    [line] = tried(broken, tmp_path).broken

    assert "raised KeyError: 'call_id'" in line
    [file] = (tmp_path / "failures").iterdir()
    assert file.read_bytes() == b"seed"


def test_what_takes_too_long_is_told(tmp_path: Path) -> None:
    def slow(what: bytes) -> None:
        sum(range(300_000))

    [line] = tried(slow, tmp_path, cpu_s=0.0001).broken

    assert "ms of CPU time" in line


def test_what_is_in_order_is_not_told(tmp_path: Path) -> None:
    assert tried(len, tmp_path).broken == []


def test_named_exceptions_are_no_fault() -> None:
    mails.attempt(b"")
    with pytest.raises(UnreadableDelivery):
        raise UnreadableDelivery("as the reader says")


@pytest.mark.parametrize("number", range(len(MUTATIONS)))
def test_each_mutation_changes_some_text_and_never_fails(number: int) -> None:
    chance = random.Random(number)
    seeds = [b'{"a": 1, "b": [2, 3]}', b"", b"x=1&y=2\r\nz"]
    changed = 0
    for seed in seeds * 20:
        text = bytearray(seed)
        MUTATIONS[number](text, chance, seeds)
        changed += bytes(text) != seed
    assert changed > 0
    assert all(len(mutated(seed, chance, seeds, most=64)) <= 64 for seed in seeds)


def test_every_recorded_provider_and_mail_is_tried(tmp_path: Path) -> None:
    found = run("all", 0, 300, 7, tmp_path / "failures")

    assert found.broken == []
    assert set(telephony.seeds()) <= set(found.tried)
    assert found.tried["mail"] > 0
