"""What a mail answers."""

from __future__ import annotations

from ingest.domain.mails import Mail
from ingest.mail.threads import message_id, message_ids, thread_ids


def test_the_nearest_message_comes_first_and_each_once() -> None:
    mail = Mail(identity="i", in_reply_to="c@x", references=("a@x", "b@x", "c@x"))

    assert thread_ids(mail) == ("c@x", "b@x", "a@x")


def test_a_mail_does_not_answer_itself() -> None:
    mail = Mail(identity="i", message_id="a@x", in_reply_to="a@x", references=("a@x", "b@x"))

    assert thread_ids(mail) == ("b@x",)


def test_a_first_mail_answers_nothing() -> None:
    assert thread_ids(Mail(identity="i", message_id="a@x")) == ()


def test_ids_are_compared_as_written_by_whoever_made_them() -> None:
    assert message_id("<[1.2.3.4]@x>") == "[1.2.3.4]@x"
    assert message_id(" <a  b@c> (added by a gateway)") == "a b@c"
    assert message_ids("<[1.2.3.4]@x>\t<a  b@c>") == ("[1.2.3.4]@x", "a b@c")
    assert message_ids("no id in it") == ()
    assert message_id("<>") is None
