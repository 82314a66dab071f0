"""Well-formed messages: the standard library's compat32 parser reads the same."""

from __future__ import annotations

from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import SMTP, compat32
from email.utils import getaddresses

from hypothesis import given
from hypothesis import strategies as st

from ingest.mail.message import parse
from tests.properties import examples

WORDS = st.text(
    st.characters(
        min_codepoint=32,
        max_codepoint=0x4FF,
        exclude_characters="\x7f",
        exclude_categories=("Cc", "Cf", "Cn", "Zs", "Mn"),
    ),
    min_size=1,
    max_size=40,
)
NAMES = st.text(st.sampled_from("abcABC.,() -абвАБВüé\"'"), min_size=1, max_size=30)
FILES = st.lists(st.tuples(WORDS, st.binary(max_size=60)), max_size=3)


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    message = EmailMessage(policy=SMTP)
    message["Subject"] = draw(WORDS)
    message["From"] = draw(
        st.sampled_from(["a@b.example", "Anna <a@b.example>", '"B, A" <a@b.example>'])
    )
    message["To"] = ", ".join(
        draw(st.lists(st.sampled_from(["x@y.example", "Z <z@y.example>"]), min_size=1, max_size=3))
    )
    message["Date"] = "Fri, 3 May 2024 12:04:00 +0200"
    message["Message-ID"] = "<w@b.example>"
    encoding = draw(st.sampled_from(["base64", "quoted-printable"]))
    message.set_content(draw(WORDS), charset="utf-8", cte=encoding)
    if draw(st.booleans()):
        message.add_alternative(f"<p>{draw(WORDS)}</p>", subtype="html")
    for name, octets in draw(FILES):
        message.add_attachment(octets, maintype="application", subtype="pdf", filename=name)
    for number, part in enumerate(message.walk()):
        if part.is_multipart():
            part.set_boundary(f"=_{number}")  # the library would draw one at random
    return message.as_bytes()


@examples(150)
@given(messages())
def test_well_formed_message_is_read_as_the_standard_library_reads_it(raw: bytes) -> None:
    mail = parse(raw)
    oracle = message_from_bytes(raw, policy=compat32)

    assert mail.subject == " ".join(str(make_header(decode_header(oracle["Subject"]))).split())
    assert [p.address for p in mail.to] == list(
        dict.fromkeys(a for _, a in getaddresses([oracle["To"]]))
    )
    leaves = [part for part in oracle.walk() if not part.is_multipart()]
    [plain, *_] = [part for part in leaves if part.get_content_type() == "text/plain"]
    octets = plain.get_payload(decode=True)
    assert isinstance(octets, bytes)
    assert mail.text == octets.decode(plain.get_content_charset() or "").rstrip()
    files = [part for part in leaves if part.get_content_type() == "application/pdf"]
    assert [file.size for file in mail.attachments] == [
        len(part.get_payload(decode=True) or b"") for part in files
    ]
    assert mail.warnings == ()


@examples(200)
@given(
    st.lists(
        st.tuples(NAMES, st.sampled_from(["a@b.example", "c.d+e@f.example"])),
        min_size=1,
        max_size=5,
    )
)
def test_lawful_address_lists_are_read_whole(people: list[tuple[str, str]]) -> None:
    quoted = [
        '"{}" <{}>'.format(name.replace("\\", "\\\\").replace('"', '\\"'), address)
        for name, address in people
    ]
    raw = "From: x@y.example\r\nTo: {}\r\n\r\n".format(", ".join(quoted)).encode()

    assert {person.address for person in parse(raw).to} == {address for _, address in people}
