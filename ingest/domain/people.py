"""People who sign in, and what each may see."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class UserRole(StrEnum):
    """What a user is to the company's records."""

    ADMINISTRATOR = "administrator"  #: a supervisor who also enters sources and mailboxes
    SUPERVISOR = "supervisor"  #: sees and decides everything
    MANAGER = "manager"  #: sees own clients, decides nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """Whom a query is made for. Every query made for a person takes one first."""

    user: str  #: id
    login: str
    name: str
    role: UserRole
    employee: str | None = None  #: a manager sees clients whose effective primary this is

    @property
    def sees_everything(self) -> bool:
        """Tell whether rows need no filter for this person."""
        return self.role in (UserRole.SUPERVISOR, UserRole.ADMINISTRATOR)

    @property
    def administers(self) -> bool:
        """Tell whether this person may change what the service is connected to."""
        return self.role is UserRole.ADMINISTRATOR
