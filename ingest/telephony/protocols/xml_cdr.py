"""The record that FreeSWITCH's mod_xml_cdr posts at the end of each leg: JSON's, spelt in XML.

Values of `variables` are URL-encoded, all others only escaped. The name of a variable is whatever
a dialplan or a telephone made up, so that the text may be no XML (`<0>`, `<sip_h_X-a b>`): then the
variables are cut out and read by themselves, and the rest is read as strictly as ever.
Facts: signalwire/freeswitch mod_xml_cdr.c; fusionpbx/fusionpbx app/xml_cdr; recorded from 1.11.1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ingest.domain.deliveries import UnreadableDelivery
from ingest.telephony.protocols import xml_as_json
from ingest.telephony.protocols.json_cdr import Record, record_of
from ingest.telephony.xml import Element, IllFormed, document

_VARIABLES, _VARIABLES_END = b"<variables>", b"</variables>"
_VARIABLE = re.compile(rb"<([A-Za-z0-9_.\-]{1,128})>([^<]*)</\1>")
_PROFILE = "{}_caller_profile"
_SIDES = ("originator", "originatee")


def read(octets: bytes) -> Record:
    """Return the record that an XML document holds. Raises UnreadableDelivery for anything else."""
    try:
        return record_of(_fields(document(octets)))
    except IllFormed:
        begin, end = octets.find(_VARIABLES), octets.rfind(_VARIABLES_END)
        if not 0 <= begin < end:
            raise
    rest = _fields(document(octets[:begin] + octets[end + len(_VARIABLES_END) :]))
    return record_of(rest | {"variables": _cut_out(octets[begin + len(_VARIABLES) : end])})


def converted(found: Mapping[str, Any]) -> Record:
    """Return the record of a document that was turned into JSON. Raises UnreadableDelivery."""
    return record_of(_fields(xml_as_json.root(found)))


def _cut_out(octets: bytes) -> dict[str, str]:
    """Return the variables that are named properly; their values hold no `<`: they are encoded."""
    pairs = _VARIABLE.finditer(octets)
    return {pair[1].decode("ascii"): pair[2].decode("utf-8", "replace").strip() for pair in pairs}


def _fields(root: Element) -> dict[str, Any]:
    """Return the object that mod_json_cdr would have written."""
    if root.name != "cdr":
        raise UnreadableDelivery("XML, but no record of a call")
    variables, log = root.at("variables"), root.at("app_log")
    return {
        "variables": variables.texts() if variables else {},
        "callflow": [_entry(each) for each in root.all("callflow")],
        "app_log": {
            "applications": [each.attributes for each in log.all("application")] if log else []
        },
    }


def _entry(entry: Element) -> dict[str, Any]:
    profile, times = entry.at("caller_profile"), entry.at("times")
    return {
        "caller_profile": _profile(profile) if profile else {},
        "times": times.texts() if times else {},
    }


def _profile(profile: Element) -> dict[str, Any]:
    found: dict[str, Any] = dict(profile.texts())
    for side in _SIDES:
        others, name = profile.at(side), _PROFILE.format(side)
        listed = [each.texts() for each in others.all(name)] if others else []
        found[side] = {f"{name}s": listed}
    return found
