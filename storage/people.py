"""Users, their sessions and API tokens. Only hashes are stored: a copy of the database signs
nobody in.

Passwords are hashed by the site, slowly and on purpose; here lies only the result. Tokens and
session ids are 32 random bytes, so one round of SHA-256 is enough for them.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from ingest.domain.people import UserRole, Viewer
from storage import facts
from storage.directory import current
from storage.tables import sessions, tokens, users

SECRET_BYTES = 32
TOKEN_PREFIX = "kl_"  #: so that a leaked token is recognised for what it is

IDLE = timedelta(hours=8)  #: a session not used for so long has ended
LIFETIME = timedelta(days=7)  #: a session has ended after so long, however much it is used
SEEN_EVERY = timedelta(minutes=1)  #: how exactly it is noted when a session was last used

RandomBytes = Callable[[int], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Someone who may sign in."""

    id: str
    login: str
    name: str
    role: UserRole
    employee: str | None
    password: str = field(repr=False)  #: hash

    @property
    def viewer(self) -> Viewer:
        """Return the person as queries take one."""
        return Viewer(
            user=self.id,
            login=self.login,
            name=self.name,
            role=self.role,
            employee=self.employee,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An API token as far as it is known after it was shown once."""

    id: str
    name: str
    user: str
    created_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A signed-in browser."""

    viewer: Viewer
    created_at: datetime
    seen_at: datetime


def secret_hash(shown: str) -> str:
    """Return what is stored of a token or session id."""
    return sha256(shown.encode()).hexdigest()


# Users -----------------------------------------------------------------------------------------


def add_user(
    connection: Connection,
    *,
    login: str,
    name: str,
    role: UserRole,
    password: str,
    at: datetime,
    by: str,
    employee: str | None = None,
) -> str:
    """Record a user with the hash of the password; returns the id.

    Raises facts.Conflict if the login is taken, or a manager comes without an employee.
    """
    login = login.strip().casefold()
    if role is UserRole.MANAGER and employee is None:
        raise facts.Conflict("a manager needs the employee whose clients are shown")
    try:
        with connection.begin_nested():
            return facts.record(
                connection,
                users,
                at=at,
                by=by,
                login=login,
                name=name,
                role=role.value,
                employee_id=employee,
                password=password,
            )
    except IntegrityError as error:
        raise facts.Conflict(f"the login {login} is taken") from error


def find_user(connection: Connection, login: str) -> User | None:
    """Return the user with that login, in any case, or None."""
    return _user(connection, users.c.login == login.strip().casefold())


def user(connection: Connection, user_id: str) -> User | None:
    """Return the user with that id, or None if there is none or it was removed."""
    return _user(connection, users.c.id == user_id)


def list_users(connection: Connection) -> list[User]:
    """Return everyone who may sign in, by login."""
    rows = connection.execute(select(users).where(current(users)).order_by(users.c.login))
    return [_user_of(row) for row in rows]


def set_password(connection: Connection, user_id: str, password: str) -> None:
    """Replace the hash of a user's password and end every session of that user.

    The one column that is overwritten: an old hash must not stay in the database.
    """
    connection.execute(update(users).where(users.c.id == user_id).values(password=password))
    end_sessions_of(connection, user_id)


def renew_hash(connection: Connection, user_id: str, password: str) -> None:
    """Store the same password hashed anew, with today's parameters; sessions go on."""
    connection.execute(update(users).where(users.c.id == user_id).values(password=password))


def remove_user(connection: Connection, user_id: str, *, at: datetime, by: str) -> None:
    """Take a user back, with every token and session."""
    facts.retract(connection, users, [user_id], at=at, by=by, why="removed")
    held = connection.scalars(
        select(tokens.c.id).where(tokens.c.user_id == user_id, current(tokens))
    ).all()
    facts.retract(connection, tokens, held, at=at, by=by, why="user removed")
    end_sessions_of(connection, user_id)


def _user(connection: Connection, condition: Any) -> User | None:
    row = connection.execute(select(users).where(condition, current(users))).first()
    return None if row is None else _user_of(row)


def _user_of(row: Any) -> User:
    return User(
        id=row.id,
        login=row.login,
        name=row.name,
        role=UserRole(row.role),
        employee=row.employee_id,
        password=row.password,
    )


# API tokens ------------------------------------------------------------------------------------


def add_token(
    connection: Connection,
    *,
    login: str,
    name: str,
    at: datetime,
    by: str,
    expires_at: datetime | None = None,
    random: RandomBytes = secrets.token_bytes,
) -> str:
    """Make an API token for a user and return it; it is never shown again.

    Raises facts.Conflict if there is no such user.
    """
    owner = find_user(connection, login)
    if owner is None:
        raise facts.Conflict(f"there is no user with the login {login}")
    shown = TOKEN_PREFIX + random(SECRET_BYTES).hex()
    facts.record(
        connection,
        tokens,
        at=at,
        by=by,
        name=name,
        hash=secret_hash(shown),
        user_id=owner.id,
        expires_at=expires_at,
    )
    return shown


def token_viewer(connection: Connection, shown: str, *, now: datetime) -> Viewer | None:
    """Return whom a token speaks for; None: unknown, revoked, expired, or its user removed."""
    row = connection.execute(
        select(users)
        .join(tokens, tokens.c.user_id == users.c.id)
        .where(
            tokens.c.hash == secret_hash(shown),
            current(tokens),
            current(users),
            tokens.c.expires_at.is_(None) | (tokens.c.expires_at > now),
        )
    ).first()
    return None if row is None else _user_of(row).viewer


def list_tokens(connection: Connection, user_id: str | None = None) -> list[Token]:
    """Return the tokens not revoked, of one user or of all, the latest first."""
    wanted = [] if user_id is None else [tokens.c.user_id == user_id]
    rows = connection.execute(
        select(tokens)
        .where(current(tokens), *wanted)
        .order_by(tokens.c.recorded_at.desc(), tokens.c.id)
    )
    return [
        Token(
            id=row.id,
            name=row.name,
            user=row.user_id,
            created_at=row.recorded_at,
            expires_at=row.expires_at,
        )
        for row in rows
    ]


def revoke_token(connection: Connection, token_id: str, *, at: datetime, by: str) -> bool:
    """Take a token back; False: there was none, or it was revoked before."""
    return facts.retract(connection, tokens, [token_id], at=at, by=by, why="revoked") > 0


# Sessions --------------------------------------------------------------------------------------


def add_session(
    connection: Connection,
    user_id: str,
    *,
    at: datetime,
    random: RandomBytes = secrets.token_bytes,
) -> str:
    """Begin a session and return its id, as the browser keeps it."""
    shown = random(SECRET_BYTES).hex()
    connection.execute(
        insert(sessions),
        {"hash": secret_hash(shown), "user_id": user_id, "created_at": at, "seen_at": at},
    )
    return shown


def find_session(connection: Connection, shown: str, *, now: datetime) -> Session | None:
    """Return the session with that id; None: unknown, over, idle too long, or its user removed."""
    row = connection.execute(
        select(users, sessions.c.created_at, sessions.c.seen_at)
        .join(sessions, sessions.c.user_id == users.c.id)
        .where(
            sessions.c.hash == secret_hash(shown),
            sessions.c.seen_at > now - IDLE,
            sessions.c.created_at > now - LIFETIME,
            current(users),
        )
    ).first()
    if row is None:
        return None
    return Session(viewer=_user_of(row).viewer, created_at=row.created_at, seen_at=row.seen_at)


def needs_seeing(session: Session, *, now: datetime) -> bool:
    """Tell whether `see_session` is due, so that not every page view writes."""
    return now - session.seen_at >= SEEN_EVERY


def see_session(connection: Connection, shown: str, *, now: datetime) -> None:
    """Note that a session is in use."""
    connection.execute(
        update(sessions).where(sessions.c.hash == secret_hash(shown)).values(seen_at=now)
    )


def end_session(connection: Connection, shown: str) -> None:
    """End one session, as by signing out."""
    connection.execute(delete(sessions).where(sessions.c.hash == secret_hash(shown)))


def end_sessions_of(connection: Connection, user_id: str) -> None:
    """End every session of a user; the next request of any of them is refused."""
    connection.execute(delete(sessions).where(sessions.c.user_id == user_id))


def drop_ended_sessions(connection: Connection, *, now: datetime) -> int:
    """Delete sessions that are over anyway; returns how many."""
    ended = (sessions.c.seen_at <= now - IDLE) | (sessions.c.created_at <= now - LIFETIME)
    return connection.execute(delete(sessions).where(ended)).rowcount
