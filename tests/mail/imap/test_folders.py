"""Which folders are followed."""

from __future__ import annotations

import pytest

from ingest.mail.folders import Folder, to_follow


def a_folder(name: str, *attributes: str) -> Folder:
    return Folder(name=name, wire_name=name, attributes=frozenset(attributes))


def names(*folders: Folder, chosen: tuple[str, ...] = ()) -> list[tuple[str, bool]]:
    return [(folder.name, folder.sent) for folder in to_follow(folders, chosen)]


def test_inbox_is_followed_even_if_the_server_lists_nothing() -> None:
    assert names() == [("INBOX", False)]


def test_the_mark_of_sent_mail_counts_more_than_names() -> None:
    found = names(a_folder("Sent"), a_folder("Post", "\\sent"), a_folder("INBOX"))
    assert found == [("INBOX", False), ("Post", True)]


@pytest.mark.parametrize(
    "name",
    ["Sent", "SENT ITEMS", "Отправленные", "Verzonden items", "Gesendete Elemente", "INBOX.Sent",
     "[Gmail]/Отправленные", "Éléments envoyés", "送信済みアイテム", "Надіслані"],
)  # fmt: skip
def test_without_the_mark_sent_mail_is_found_by_name(name: str) -> None:
    assert names(a_folder(name)) == [("INBOX", False), (name, True)]


@pytest.mark.parametrize("name", ["Archive/Sent", "Unsent", "Drafts", "Sent to the printer"])
def test_other_names_are_not_taken_for_sent_mail(name: str) -> None:
    assert names(a_folder(name)) == [("INBOX", False)]


def test_folders_that_hold_no_mail_are_left_out() -> None:
    assert names(a_folder("Sent", "\\noselect")) == [("INBOX", False)]


def test_chosen_folders_are_followed_as_well() -> None:
    found = names(a_folder("Archive"), a_folder("Other"), chosen=("Archive", "Missing"))
    assert found == [("INBOX", False), ("Archive", False)]
