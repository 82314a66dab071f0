"""The XML record of a leg as FusionPBX keeps it in its database: turned into JSON by PHP.

PHP writes an element's attributes as `@attributes`, several of one name as a list, one without
anything in it as `{}`; text beside attributes stands under `0`. Here it becomes elements again.
Facts: fusionpbx/fusionpbx app/xml_cdr/resources/classes/xml_cdr.php; php.net, SimpleXMLElement and
json_encode; what PHP 8.2 made of recorded records.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ingest.domain.deliveries import UnreadableDelivery
from ingest.telephony.xml import MAX_DEPTH, MAX_ELEMENTS, Element

_ATTRIBUTES, _TEXT = "@attributes", "0"


def is_converted(found: Mapping[str, Any]) -> bool:
    """Tell whether an object is such a record: mod_json_cdr never writes `@attributes`."""
    return _ATTRIBUTES in found and "variables" in found


def root(found: Mapping[str, Any]) -> Element:
    """Return the root of the document that it was. Raises UnreadableDelivery beyond its bounds."""
    left = [MAX_ELEMENTS]
    return _element("cdr", found, MAX_DEPTH, left)


def _element(name: str, value: Any, depth: int, left: list[int]) -> Element:
    left[0] -= 1
    if depth <= 0 or left[0] < 0:
        raise UnreadableDelivery("the record is deeper or longer than any that is known")
    if not isinstance(value, Mapping):
        return Element(name=name, attributes={}, text=_text(value), children=())
    attributes = value.get(_ATTRIBUTES)
    return Element(
        name=name,
        attributes={each: _text(told) for each, told in attributes.items()}
        if isinstance(attributes, Mapping)
        else {},
        text=_text(value.get(_TEXT)),
        children=tuple(_element(each, told, depth - 1, left) for each, told in _children(value)),
    )


def _children(value: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, told in value.items():
        if name in (_ATTRIBUTES, _TEXT):
            continue
        if isinstance(told, list | tuple):
            yield from ((name, each) for each in told)
        else:
            yield name, told


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""
