"""Months and zones as mailers write them that do not know that a header is English."""

from __future__ import annotations

#: How a month begins in Russian, Dutch, German, French and Spanish, longer beginnings first.
MONTHS = (
    *(("янв", "Jan"), ("фев", "Feb"), ("мар", "Mar"), ("апр", "Apr"), ("май", "May")),
    *(("мая", "May"), ("июн", "Jun"), ("июл", "Jul"), ("авг", "Aug"), ("сен", "Sep")),
    *(("окт", "Oct"), ("ноя", "Nov"), ("дек", "Dec")),
    *(("januar", "Jan"), ("janv", "Jan"), ("jän", "Jan"), ("ene", "Jan"), ("jan", "Jan")),
    *(("fév", "Feb"), ("fev", "Feb"), ("feb", "Feb")),
    *(("maart", "Mar"), ("mrt", "Mar"), ("mär", "Mar"), ("mars", "Mar"), ("mar", "Mar")),
    *(("avr", "Apr"), ("abr", "Apr"), ("apr", "Apr")),
    *(("mei", "May"), ("mai", "May"), ("may", "May")),
    *(("juin", "Jun"), ("jun", "Jun"), ("juil", "Jul"), ("jul", "Jul")),
    *(("août", "Aug"), ("aou", "Aug"), ("ago", "Aug"), ("aug", "Aug")),
    *(("sep", "Sep"), ("okt", "Oct"), ("oct", "Oct"), ("nov", "Nov")),
    *(("déc", "Dec"), ("dic", "Dec"), ("dez", "Dec"), ("dec", "Dec")),
)

#: Zones that stand for one offset everywhere, beyond those of RFC 5322.
ZONES = {
    "BST": "+0100",
    "CEST": "+0200",
    "CET": "+0100",
    "EEST": "+0300",
    "EET": "+0200",
    "MESZ": "+0200",
    "MEZ": "+0100",
    "MSD": "+0400",
    "MSK": "+0300",
    "WEST": "+0100",
    "WET": "+0000",
}
