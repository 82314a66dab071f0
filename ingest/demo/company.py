"""The invented company: who works there, which lines they hold, whose clients are whose.

Given as the CSV files that an office would import. All dates are relative to today in the company's
zone: one employee left a month ago, one yesterday, one leaves tomorrow.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from ingest.demo.names import Invented, invent

ZONE = "Europe/Moscow"
REGION = "RU"
DOMAIN = "avrora.example"

ANNA, VIKTOR, DARYA, BORIS, ELENA = "anna", "viktor", "darya", "boris", "elena"

#: login, name, supervisor
PEOPLE = (
    ("olga", "Ольга Орлова", ""),
    (ANNA, "Анна Соколова", "olga"),
    (VIKTOR, "Виктор Волков", "olga"),
    (BORIS, "Борис Белов", "olga"),
    (DARYA, "Дарья Данилова", "olga"),
    (ELENA, "Елена Егорова", "olga"),
    ("fedor", "Фёдор Фомин", "olga"),
    ("galina", "Галина Гусева", "olga"),
    ("pieter", "Pieter de Vries", "olga"),
    ("sanne", "Sanne Bakker", "pieter"),
    ("john", "John Carter", "olga"),
    ("mary", "Mary Collins", "john"),
)
NAMES = {login: name for login, name, _ in PEOPLE}

#: source -> provider, zone and region of its account
SOURCES = {
    "office": ("mango", ZONE, REGION),
    "mobile": ("megafon", ZONE, REGION),
    "amsterdam": ("zadarma", "Europe/Amsterdam", "NL"),
    "chicago": ("twilio", "UTC", "US"),
    "warehouse": ("generic", "UTC", REGION),
}

MAIN_NUMBER = "+74950000100"
VIKTORS_NUMBER = "+74950000111"
ANNAS_SIM = "+74950000201"
DARYAS_SIM = "+74950000202"
SERVICE_NUMBER = "+74950000200"
AMSTERDAM = "+31200000300"
CHICAGO = "+13125550170"
MARYS_MOBILE = "+13125550177"
WAREHOUSE = "+74950000500"
SALES = f"sales@{DOMAIN}"
MANAGER_1 = f"manager1@{DOMAIN}"
MANAGER_2 = f"manager2@{DOMAIN}"
MAILBOXES = (SALES, MANAGER_1, MANAGER_2)

#: telephones of the office, who sits at each: ten of them ring when the main number is called
OFFICE = {
    "101": "olga",
    "102": BORIS,
    "103": DARYA,
    "104": ELENA,
    "105": "fedor",
    "106": "galina",
    "107": "pieter",
    "108": "sanne",
    "109": "john",
    "120": "mary",
}
EXTENSIONS = {
    "office": OFFICE,
    "mobile": {"701": BORIS, "702": ELENA},
    "amsterdam": {"201": "pieter", "202": "sanne"},
    "warehouse": {"301": "galina", "302": "fedor"},
}

PORTFOLIOS = (BORIS, DARYA, ELENA, "fedor", "galina", "pieter", "sanne", "john", "mary")
SEGMENTS = ("A", "B", "C")
ANNAS_CLIENTS = 40
VIKTORS_CLIENTS = 20
WITHOUT_MANAGER = 20
#: Of Viktor's: nobody took these over; these went to Elena late, and she has rung them since.
FORGOTTEN, HANDED_OVER_LATE = 3, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A client and the portfolio it is in."""

    id: str
    name: str
    phone: str
    email: str
    manager: str | None  #: login of who was named first
    successor: str | None = None
    handed_over_on: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Company:
    """The company as it is on one day."""

    today: date
    clients: Sequence[Client]

    @property
    def annas_last_day(self) -> date:
        """Return yesterday."""
        return self.today - timedelta(days=1)

    @property
    def viktors_last_day(self) -> date:
        """Return a day of last month."""
        return self.today - timedelta(days=30)

    @property
    def daryas_last_day(self) -> date:
        """Return tomorrow."""
        return self.today + timedelta(days=1)

    def of(self, manager: str | None) -> list[Client]:
        """Return the clients for whom that employee was named and nobody since."""
        return [it for it in self.clients if it.manager == manager and it.successor is None]

    def handed_over_late(self) -> list[Client]:
        """Return Viktor's clients whose successor was named weeks after he left."""
        after = self.viktors_last_day + timedelta(days=1)
        return [it for it in self.clients if it.handed_over_on and it.handed_over_on > after]

    def files(self) -> dict[str, tuple[str, str]]:
        """Return the files to import in their order: name -> (kind, CSV text)."""
        return {
            "employees.csv": ("employees", self._employees()),
            "lines.csv": ("lines", self._lines()),
            "clients.csv": ("clients", self._clients()),
        }

    def _employees(self) -> str:
        left = {
            ANNA: self.annas_last_day,
            VIKTOR: self.viktors_last_day,
            DARYA: self.daryas_last_day,
        }
        rows = [(login, name, boss, left.get(login, "")) for login, name, boss in PEOPLE]
        return _csv(("login", "name", "supervisor", "left_on"), rows)

    def _lines(self) -> str:
        rows: list[tuple[object, ...]] = [
            ("did", MAIN_NUMBER, "", "", "", "yes", "Main number"),
            ("did", VIKTORS_NUMBER, VIKTOR, "", "", "", "Direct number"),
            ("sim", ANNAS_SIM, ANNA, "", "", "", "SIM 1"),
            ("sim", ANNAS_SIM, BORIS, self.today, "", "", "SIM 1"),
            ("sim", DARYAS_SIM, DARYA, "", "", "", "SIM 2"),
            ("did", SERVICE_NUMBER, "", "", "", "yes", "Service"),
            ("did", AMSTERDAM, "pieter", "", "", "", "Amsterdam"),
            ("did", CHICAGO, "john", "", "", "", "Chicago"),
            ("sim", MARYS_MOBILE, "mary", "", "", "", "SIM 3"),
            ("did", WAREHOUSE, "galina", "", "", "", "Warehouse"),
            ("mailbox", SALES, "", "", "", "yes", "Sales"),
            ("mailbox", MANAGER_1, ANNA, "", "", "", "Manager 1"),
            ("mailbox", MANAGER_1, BORIS, self.today, "", "", "Manager 1"),
            ("mailbox", MANAGER_2, ELENA, "", "", "", "Manager 2"),
        ]
        for source, telephones in EXTENSIONS.items():
            rows += [("extension", ext, who, "", source, "", "") for ext, who in telephones.items()]
        return _csv(("kind", "address", "holder", "since", "source", "shared", "name"), rows)

    def _clients(self) -> str:
        rows: list[tuple[object, ...]] = []
        for number, client in enumerate(self.clients):
            plain = (client.id, client.name, SEGMENTS[number % 3], client.phone, client.email)
            rows.append((*plain, client.manager or "", ""))
            if client.successor:
                rows.append((*plain, client.successor, client.handed_over_on))
        return _csv(("id", "name", "segment", "phones", "emails", "manager", "since"), rows)


def company(today: date) -> Company:
    """Return the company as it is on that day."""
    viktor_gone_on = today - timedelta(days=29)
    managers: list[tuple[str | None, str | None, date | None]] = [
        *[(ANNA, None, None)] * ANNAS_CLIENTS,
        *[(VIKTOR, None, None)] * FORGOTTEN,
        *[(VIKTOR, ELENA, today - timedelta(days=5))] * HANDED_OVER_LATE,
        *[(VIKTOR, ELENA, viktor_gone_on)] * (VIKTORS_CLIENTS - FORGOTTEN - HANDED_OVER_LATE),
        *[(None, None, None)] * WITHOUT_MANAGER,
    ]
    everyone = invent()
    managers += [
        (PORTFOLIOS[number % len(PORTFOLIOS)], None, None)
        for number in range(len(everyone) - len(managers))
    ]
    return Company(
        today=today,
        clients=[
            _client(number, invented, *who)
            for number, (invented, who) in enumerate(zip(everyone, managers, strict=True))
        ],
    )


def _client(
    number: int, invented: Invented, manager: str | None, successor: str | None, on: date | None
) -> Client:
    return Client(
        id=f"K{number + 1:03}",
        name=invented.name,
        phone=invented.phone,
        email=invented.email,
        manager=manager,
        successor=successor,
        handed_over_on=on,
    )


def _csv(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows(rows)
    return out.getvalue()
