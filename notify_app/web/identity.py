"""Who is asking: sign-in, sessions as rows, and the viewer whose organisation scopes the request.

The cookie carries a random token (signed by Flask), the database its hash: signing out deletes the row, and an
old cookie is worth nothing. These statements run as hub_engine, before any organisation is known.
"""

from __future__ import annotations

import secrets as random_secrets
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from flask import current_app, g, has_request_context, request, session
from flask_login import UserMixin, current_user, login_user, logout_user
from sqlalchemy import text

from notify_app import tenancy
from notify_app.config import Settings
from notify_app.extensions import db
from notify_app.models import Who
from notify_app.secrets import Secrets
from notify_app.web.extensions import login
from notify_app.web.together import Together
from notify_app.work.record import By

__all__ = [
    "Membership",
    "SessionUser",
    "Viewer",
    "check_password",
    "choose",
    "enter_scope",
    "hash_password",
    "leave_scope",
    "load_session",
    "open_session",
    "sign_in",
    "sign_out",
    "viewer",
    "viewer_or_none",
]

SESSION_LIFE = timedelta(days=30)
OFFICE = ("manager", "administrator")


@dataclass(frozen=True)
class Membership:
    """One person that the account is."""

    person_id: UUID
    organisation_id: UUID
    organisation_name: str
    organisation_slug: str
    role: str
    name: str
    zone: str
    locale: str
    # whether nobody is told of anything at the moment: 'installation', 'organisation' or ''
    switched_off: str


@dataclass(frozen=True)
class Viewer:
    """The signed-in account, as a person of the organisation that it looks at."""

    account_id: UUID
    session_id: UUID
    email: str
    person_id: UUID
    organisation_id: UUID
    organisation_name: str
    role: str
    name: str
    zone: str
    locale: str
    office: bool
    switched_off: str
    memberships: tuple[Membership, ...]
    # the organisations whose invitation waits for this account, by name
    invited_by: str

    @property
    def by(self) -> By:
        """As the record of changes names them."""
        return By(Who.person, self.person_id)


class SessionUser(UserMixin):
    """What Flask-Login keeps: `get_id` is the session's token, so that revoking the row signs out."""

    def __init__(
        self,
        token: str,
        session_id: UUID,
        account_id: UUID,
        email: str,
        members: tuple[Membership, ...],
        invited_by: str,
    ) -> None:
        self.token = token
        self.session_id = session_id
        self.account_id = account_id
        self.email = email
        self.memberships = members
        self.invited_by = invited_by

    def get_id(self) -> str:
        return self.token


LOAD = text(
    """
    SELECT s.token_hash, s.id AS session_id, a.id AS account_id, a.email, p.id AS person_id, p.organisation_id, p.role, p.name,
           o.name AS organisation_name, o.slug AS organisation_slug,
           coalesce(p.zone, o.zone) AS zone, coalesce(p.locale, o.locale) AS locale,
           CASE WHEN NOT coalesce((SELECT notifications_on FROM installation), true) THEN 'installation'
                WHEN NOT coalesce((o.settings ->> 'notifications_on')::boolean, true) THEN 'organisation'
                ELSE '' END AS switched_off,
           (SELECT string_agg(b.name, ', ' ORDER BY b.name) FROM invitation i JOIN organisation b ON b.id = i.organisation_id
            WHERE lower(i.email) = lower(a.email) AND i.settled_at IS NULL AND i.expires_at > (SELECT hub_now())) AS invited_by
    FROM account_session s
    JOIN account a ON a.id = s.account_id AND a.disabled_at IS NULL
    JOIN person p ON p.account_id = a.id AND p.left_at IS NULL
    JOIN organisation o ON o.id = p.organisation_id
    WHERE s.token_hash = ANY(CAST(:hashes AS bytea[])) AND s.revoked_at IS NULL AND s.expires_at > (SELECT hub_now())
    ORDER BY o.name
    """
)
FIND = text(
    "SELECT id, password_hash FROM account WHERE lower(email) = lower(:email) AND disabled_at IS NULL"
)
OPEN = text(
    "INSERT INTO account_session (account_id, token_hash, user_agent, expires_at) "
    "VALUES (:account, :hash, :agent, hub_now() + :life)"
)
CLOSE = text("DELETE FROM account_session WHERE token_hash = :hash")


@login.user_loader
def load_session(token: str) -> SessionUser | None:
    """The session of a token, or None when it is over or the account is a person nowhere."""
    if "hub.sessions" not in current_app.extensions:
        current_app.extensions["hub.sessions"] = Together(_read_sessions)
    sessions: Together[bytes, list[Any]] = current_app.extensions["hub.sessions"]
    rows = sessions.get(Secrets.hash_token(token))
    if not rows:
        return None
    members = tuple(
        Membership(
            row.person_id,
            row.organisation_id,
            row.organisation_name,
            row.organisation_slug,
            row.role,
            row.name,
            row.zone,
            row.locale,
            row.switched_off,
        )
        for row in rows
    )
    first = rows[0]
    return SessionUser(
        token, first.session_id, first.account_id, first.email, members, first.invited_by or ""
    )


def _read_sessions(hashes: Sequence[bytes]) -> dict[bytes, list[Any]]:
    """The rows of each session, one for each person that its account is."""
    found: defaultdict[bytes, list[Any]] = defaultdict(list)
    with db.engines["engine"].connect() as conn:
        for row in conn.execute(LOAD, {"hashes": list(hashes)}):
            found[bytes(row.token_hash)].append(row)
    return found


def viewer_or_none() -> Viewer | None:
    """The viewer of this request, or None when nobody is signed in."""
    if "viewer" not in g:
        g.viewer = _viewer() if not _by_key() and current_user.is_authenticated else None
    found: Viewer | None = g.viewer
    return found


def _by_key() -> bool:
    """A program shows its key: a cookie that comes along says nothing."""
    return has_request_context() and request.path.startswith("/api/")


def viewer() -> Viewer:
    """The viewer of a guarded request."""
    found = viewer_or_none()
    assert found is not None, "a view that asks for its viewer has a guard"
    return found


def _viewer() -> Viewer:
    user: Any = current_user
    chosen = session.get("organisation")
    at = next((one for one in user.memberships if str(one.organisation_id) == chosen), user.memberships[0])
    return Viewer(
        user.account_id,
        user.session_id,
        user.email,
        at.person_id,
        at.organisation_id,
        at.organisation_name,
        at.role,
        at.name,
        at.zone,
        at.locale,
        at.role in OFFICE,
        at.switched_off,
        user.memberships,
        user.invited_by,
    )


def enter_scope() -> None:
    """Before a request: what runs now works for the viewer's organisation."""
    found = None if request.endpoint == "static" else viewer_or_none()
    if found is not None:
        g.scope = tenancy.scope(found.organisation_id)
        g.scope.__enter__()


def leave_scope(_error: BaseException | None = None) -> None:
    """After it."""
    scope = g.pop("scope", None)
    if scope is not None:
        scope.__exit__(None, None, None)


def choose(organisation_id: UUID) -> bool:
    """Look at another organisation of one's own from now on; False when the account is nobody there."""
    user: Any = current_user
    if not any(one.organisation_id == organisation_id for one in user.memberships):
        return False
    session["organisation"] = str(organisation_id)
    return True


# --- passwords -----------------------------------------------------------------------------------------------------


@cache
def _hasher() -> PasswordHasher:
    # tests make hundreds of accounts; everything else uses the library's RFC 9106 defaults
    settings: Settings = current_app.extensions["hub"]
    return (
        PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        if settings.env == "test"
        else PasswordHasher()
    )


@cache
def _dummy() -> str:
    return _hasher().hash("nobody's password")


def hash_password(password: str) -> str:
    """An Argon2id hash."""
    return _off_the_loop(_hasher().hash, password)


def check_password(stored: str | None, password: str) -> bool:
    """Whether it is the password. An unknown account is checked against a dummy, so that it takes as long."""
    try:
        good = bool(_off_the_loop(_hasher().verify, stored or _dummy(), password))
    except (VerificationError, InvalidHashError):
        return False
    return good and bool(stored)  # an invitation that waits for its first password opens nothing


def _off_the_loop(work: Any, *values: str) -> Any:
    """Hashing holds the processor for 100 ms: under gevent it runs beside the loop, or every stream would stall."""
    from gevent import get_hub, monkey

    if monkey.is_module_patched("threading"):
        return get_hub().threadpool.apply(work, values)
    return work(*values)


def sign_in(email: str, password: str) -> bool:
    """Open a session if the password is right; the answer does not say what was wrong."""
    with db.engines["engine"].connect() as conn:
        account = conn.execute(FIND, {"email": email}).one_or_none()
    if not check_password(account.password_hash if account else None, password) or account is None:
        return False
    return open_session(account.id)


def open_session(account_id: UUID) -> bool:
    """Sign the account in on this browser, under a new token; False when it is a person nowhere."""
    token = random_secrets.token_urlsafe(32)
    values = {
        "account": account_id,
        "hash": Secrets.hash_token(token),
        "agent": request.user_agent.string[:300],
        "life": SESSION_LIFE,
    }
    with db.engines["engine"].begin() as conn:
        conn.execute(OPEN, values)
    user = load_session(token)
    if user is None:
        return False
    session.clear()
    session.permanent = True
    return bool(login_user(user))


def sign_out() -> None:
    """End this session for good."""
    user: Any = current_user
    if user.is_authenticated:
        with db.engines["engine"].begin() as conn:
            conn.execute(CLOSE, {"hash": Secrets.hash_token(user.token)})
    logout_user()
    session.clear()
