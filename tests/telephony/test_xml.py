"""XML of strangers: nothing is expanded, nothing fetched, everything within bounds and quickly."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.domain.deliveries import IgnoredDelivery, UnreadableDelivery
from ingest.telephony.providers import PROVIDERS
from ingest.telephony.request import MAX_BODY
from ingest.telephony.xml import (
    MAX_ATTRIBUTE,
    MAX_ATTRIBUTES,
    MAX_DEPTH,
    MAX_ELEMENTS,
    IllFormed,
    document,
)
from tests.properties import examples
from tests.telephony.recorded import changed, recorded
from tests.telephony.test_hostile import KIB_64, outcomes

LAUGHS = b"".join(
    b'<!ENTITY l%d "%s">' % (n, (b"&l%d;" % (n - 1) if n else b"ha") * 10) for n in range(9)
)
REFUSED = {
    "a document type": b"<!DOCTYPE cdr><cdr/>",
    "a billion laughs": b"<!DOCTYPE cdr [" + LAUGHS + b"]><cdr>&l8;</cdr>",
    "one large entity often": (
        b'<!DOCTYPE cdr [<!ENTITY a "' + b"x" * 30_000 + b'">]><cdr>' + b"&a;" * 9_000 + b"</cdr>"
    ),
    "a file": b'<!DOCTYPE cdr [<!ENTITY f SYSTEM "file:///etc/passwd">]><cdr>&f;</cdr>',
    "an address": b'<!DOCTYPE cdr SYSTEM "http://192.0.2.1/cdr.dtd"><cdr/>',
    "a parameter entity": b'<!DOCTYPE cdr [<!ENTITY % p SYSTEM "http://192.0.2.1/p">%p;]><cdr/>',
    "an entity nobody declared": b"<cdr>&nbsp;</cdr>",
    "a style sheet": b'<?xml-stylesheet href="http://192.0.2.1/a.xsl"?><cdr/>',
    "an instruction inside": b"<cdr><?php echo 1 ?></cdr>",
    "nothing": b"",
    "no element": b'<?xml version="1.0"?>',
    "two roots": b"<cdr/><cdr/>",
    "text behind the root": b"<cdr/>x",
    "an end of another": b"<cdr></crd>",
    "a cut document": b"<cdr><variables><uuid>1</uu",
    "octets that are not UTF-8": b"<cdr>\xff\xfe</cdr>",
    "half a surrogate pair": b"<cdr>\xed\xa0\x80</cdr>",
    "a NUL": b"<cdr>\0</cdr>",
    "a NUL by number": b"<cdr>&#0;</cdr>",
    "another encoding": '<?xml version="1.0" encoding="utf-16"?><cdr/>'.encode("utf-16"),
    "the same attribute twice": b'<cdr a="1" a="2"/>',
}
NASTY = {
    "nested": b"<a>" * (KIB_64 // 3),
    "closed nested": b"<a>" * (KIB_64 // 7) + b"</a>" * (KIB_64 // 7),
    "wide": b"<cdr>" + b"<a/>" * (KIB_64 // 4 - 3) + b"</cdr>",
    "as wide as may be": b"<cdr>" + b"<a>b</a>" * (MAX_ELEMENTS - 1) + b"</cdr>",
    "wide and then ill-formed": b"<cdr><variables>" + b"<a/>" * (MAX_ELEMENTS - 99) + b"</x>",
    "ill-formed variables": b"<cdr><variables>" + b"<0>1</0>" * 8_000 + b"</variables></cdr>",
    "begun variables": b"<cdr><variables>" + b"<aaaaaaaa" * 7_000 + b"</variables></cdr>",
    "one long attribute": b'<cdr a="' + b"x" * (KIB_64 - 12) + b'"/>',
    "many attributes": b"<cdr " + b" ".join(b'a%d=""' % n for n in range(6_000)) + b"/>",
    "attributes everywhere": b"<cdr>" + b'<a b="" c="" d="" e=""/>' * 2_500 + b"</cdr>",
    "a long namespace": b'<a xmlns="' + b"u" * 8_000 + b'">' + b"<b/>" * 4_900 + b"</a>",
    "many names": b"<cdr>" + b"".join(b"<a%d/>" % n for n in range(4_900)) + b"</cdr>",
    "a long name": b"<" + b"a" * (KIB_64 - 3) + b"/>",
    "escapes": b"<cdr>" + b"&amp;" * (KIB_64 // 5 - 3) + b"</cdr>",
    "line ends": b"<cdr>" + b"\r\n" * (KIB_64 // 2 - 6) + b"</cdr>",
    "brackets": b"<cdr>" + b"]]" * (KIB_64 // 2 - 6) + b"</cdr>",
    "sections": b"<cdr>" + b"<![CDATA[x]]>" * 5_000 + b"</cdr>",
    "comments": b"<cdr>" + b"<!---->" * 9_000 + b"</cdr>",
    "an open comment": b"<cdr><!--" + b"-" * (KIB_64 - 9),
    "an open tag": b"<cdr " + b"x" * (KIB_64 - 5),
    "callflows": b"<cdr><variables><uuid>1</uuid></variables>" + b"<callflow/>" * 4_900 + b"</cdr>",
}
SPEAKERS = {
    "freeswitch": "freeswitch/recorded-46-xml-text-inbound-answered.json",
    "beeline": "beeline/03-inbound-released.json",
}


def test_elements_attributes_and_texts_come_out_without_prefixes():
    root = document(
        b'<?xml version="1.0" encoding="UTF-8"?><!-- c --><x:a xmlns:x="urn:x" x:k="1 &lt;">'
        b" t <x:b>1</x:b><b>2</b><![CDATA[<&>]]></x:a>"
    )

    assert (root.name, root.attributes, root.text) == ("a", {"k": "1 <"}, "t <&>")
    assert [child.text for child in root.all("b")] == ["1", "2"]
    assert root.texts() == {"b": "1"}
    assert root.at("b", "c") is None


@pytest.mark.parametrize("name", REFUSED)
def test_is_refused(name: str):
    with pytest.raises(UnreadableDelivery):
        document(REFUSED[name])


@pytest.mark.parametrize("speaker", SPEAKERS)
@pytest.mark.parametrize("name", REFUSED)
def test_is_parked_by_who_speaks_xml_and_no_call_comes_of_it(name: str, speaker: str):
    _, account, request = recorded(SPEAKERS[speaker])

    with pytest.raises(UnreadableDelivery):
        PROVIDERS[speaker].parse(changed(request, body=REFUSED[name]), account)


def test_a_declaration_of_another_encoding_changes_nothing():
    text = '<?xml version="1.0" encoding="windows-1251"?><a>привет</a>'

    assert document(text.encode()).text == "привет"
    with pytest.raises(IllFormed):
        document(text.encode("windows-1251"))


@pytest.mark.parametrize(
    ("most", "beyond"),
    [
        (b"<a>" * MAX_DEPTH + b"</a>" * MAX_DEPTH, b"<a>" * 33 + b"</a>" * 33),
        (b"<a>" + b"<b/>" * 4_999 + b"</a>", b"<a>" + b"<b/>" * 5_000 + b"</a>"),
        (b'<a b="%s"/>' % (b"x" * MAX_ATTRIBUTE), b'<a b="%s"/>' % (b"x" * (MAX_ATTRIBUTE + 1))),
        (
            b"<a %s/>" % b" ".join(b'b%d=""' % n for n in range(MAX_ATTRIBUTES)),
            b"<a %s/>" % b" ".join(b'b%d=""' % n for n in range(MAX_ATTRIBUTES + 1)),
        ),
    ],
)
def test_each_bound_is_where_it_is_said_to_be(most: bytes, beyond: bytes):
    assert (MAX_DEPTH, MAX_ELEMENTS) == (32, 5_000)
    document(most)
    with pytest.raises(UnreadableDelivery, match="than"):
        document(beyond)


def test_an_attribute_of_100_mb_is_refused_unread():
    octets = b'<a b="' + b"x" * 100_000_000 + b'"/>'
    begun = time.process_time()

    with pytest.raises(UnreadableDelivery, match=str(MAX_BODY)):
        document(octets)

    assert time.process_time() - begun < 0.01


@pytest.mark.parametrize("speaker", SPEAKERS)
@pytest.mark.parametrize("name", [*NASTY, *REFUSED])
def test_64_kib_of_xml_take_at_most_50_ms_of_processor_time(name: str, speaker: str):
    body = (NASTY | REFUSED)[name][:KIB_64]
    _, account, request = recorded(SPEAKERS[speaker])

    def took(attempt: int) -> float:
        fresh = changed(request, body=body + b" " * attempt)  # none is remembered
        begun = time.process_time()
        list(outcomes(PROVIDERS[speaker], fresh, account))
        return time.process_time() - begun

    # the shortest of three: that the machine is busy is not the reader's fault
    assert min(took(attempt) for attempt in range(3)) < 0.05


@examples(60)
@given(data=st.data())
def test_recorded_xml_with_octets_changed_is_parked_or_read(data: st.DataObject):
    _, account, request = recorded(data.draw(st.sampled_from(sorted(SPEAKERS.values()))))
    body = bytearray(request.body)
    for _ in range(data.draw(st.integers(1, 4))):
        where = data.draw(st.integers(0, len(body)))
        inserted = data.draw(st.sampled_from([b"<", b">", b"&", b"</a>", b"<0>", b"\0", b"%00"]))
        body[where : where + data.draw(st.integers(0, 9))] = inserted

    for name in SPEAKERS:
        try:
            events = PROVIDERS[name].parse(changed(request, body=bytes(body)), account)
        except (UnreadableDelivery, IgnoredDelivery):
            continue
        for event in events:
            repr(event).encode("utf-8")
            assert "\0" not in repr(event)
