"""Invented names for clients, in three languages, with numbers that nobody can have.

Russian and Dutch ones use area code 000 or a subscriber number that begins with 0, neither of
which is given out; British and American ones lie in the ranges kept for fiction (Ofcom, drama
numbers 07700 900000 to 900999; NANPA, 555-0100 to 555-0199). Mail domains end in `.example`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Invented:
    """A client's name with its number and address."""

    name: str
    phone: str
    email: str


_RU_FORMS = ("ООО «{}»", "АО «{}»", "ТД «{}»", "Фирма «{}»")
_RU = (
    *("Лунный мост", "Синий чайник", "Каменный сад", "Тихая пристань", "Медный жук"),
    *("Семь ветров", "Белый парус", "Старый маяк", "Добрый лось", "Зелёный фонарь"),
    *("Северный клён", "Янтарный ключ", "Тёплый снег", "Рыжий кот", "Большая заря"),
    *("Вечерний чай", "Дальний берег", "Звонкий ручей", "Ясный полдень", "Круглый стол"),
    *("Полярный круг", "Сосновый бор", "Хрустальный лёд", "Быстрый стриж", "Верный компас"),
)
_EN_FORMS = ("{} Ltd", "{} & Sons", "{} Trading", "{} Works")
_EN = (
    *("Copper Heron", "Quiet Harbour", "Nine Elms Mill", "Blue Kettle", "Paper Moon"),
    *("Old Lantern", "Merry Otter", "Silver Plough", "Windy Gate", "Brass Button"),
    *("Hollow Oak", "Long Meadow", "Red Umbrella", "Foxglove", "Salt & Slate"),
    *("Tall Ship", "Velvet Bridge", "Winter Apple", "Amber Clock", "Clover Lane"),
    *("Iron Bell", "Lucky Penny", "Moss & Fern", "North Pier", "Pine Candle"),
)
_NL_FORMS = ("{} B.V.", "{} V.O.F.", "Handelshuis {}", "Gebroeders {}")
_NL = (
    *("De Stille Haven", "Blauwe Fiets", "Het Koperen Kompas", "Oude Sluis", "Zilverreiger"),
    *("De Gouden Klomp", "Waterlelie", "Noorderlicht", "Het Rode Dak", "De Lange Dijk"),
    *("Zonnewijzer", "De Wakkere Haan", "Groene Polder", "Het Witte Paard", "Wilgenhof"),
    *("De Snelle Schuit", "Kleine Beer", "Molenzicht", "De Vrije Vogel", "Zeewind"),
    *("Het Houten Huis", "De Warme Bakker", "Ganzenbord", "Tulpenveld", "De Dubbele Brug"),
)


def invent() -> list[Invented]:
    """Return 300 clients, a hundred of each language in turn."""
    found = []
    for number in range(100):
        form, word = number // 25, number % 25
        found += [
            Invented(
                name=_RU_FORMS[form].format(_RU[word]),
                phone=f"+7000{1000000 + number}",
                email=f"zakaz@ru{number:02}.example",
            ),
            Invented(
                name=_EN_FORMS[form].format(_EN[word]),
                phone=f"+4477009{number:05}" if number % 2 else f"+1202555{100 + number:04}",
                email=f"orders@en{number:02}.example",
            ),
            Invented(
                name=_NL_FORMS[form].format(_NL[word]),
                phone=f"+3120000{number:04}",
                email=f"inkoop@nl{number:02}.example",
            ),
        ]
    return found
