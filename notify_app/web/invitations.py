"""Invitations where accounts are known: made with a link, found by it or by the address of whoever signs in, accepted.

An administrator gets the same link for every address: behind it whoever has an account types its password, whoever has none
chooses one, and only then does the account become the person (`work.joining`). So nobody is joined without knowing, no
administrator takes over a sign-in, and none learns who has one. These statements run as hub_engine: an account belongs to
no organisation.
"""

from __future__ import annotations

import secrets as random_secrets
from datetime import timedelta
from typing import Any
from uuid import UUID

from notify_app.channels.addresses import clean_email
from notify_app.channels.base import Invalid as BadAddress
from notify_app.errors import FieldError, Invalid, Refused
from notify_app.extensions import db
from notify_app.pipeline import sql
from notify_app.pipeline.step import hub, step
from notify_app.secrets import Secrets
from notify_app.web import identity
from notify_app.work import devices, joining
from notify_app.work.record import By

__all__ = ["LIFE", "LONGEST", "SHORTEST", "account_for", "find", "invite", "waiting"]

LIFE = timedelta(days=7)
SHORTEST, LONGEST = 12, 200


def invite(organisation_id: UUID, person_id: UUID, given: str, by: By) -> str:
    """Invite this person with an email address; the token of the link. Raises Invalid, Refused, NotFound."""
    try:
        email = clean_email(given, allow_test_domains=hub().env != "production")
    except BadAddress as error:
        raise Invalid("The address cannot be used.", FieldError("email", str(error))) from None
    with db.engines["engine"].connect() as conn:
        values = {"email": email, "organisation": organisation_id}
        holder = conn.execute(sql.FIND_HOLDER, values).first()
    if holder:
        raise Refused(f"This address signs in as {holder.name} here already.")
    token = random_secrets.token_urlsafe(32)
    with step(organisation_id) as work:
        joining.invite(work, person_id, email, Secrets.hash_token(token), LIFE, by)
    return token


def find(token: str) -> Any:
    """The invitation that the link opens while it waits (good: the link has not expired), or None."""
    with db.engines["engine"].connect() as conn:
        return conn.execute(sql.FIND_INVITATION, {"hash": Secrets.hash_token(token[:100])}).one_or_none()


def waiting(email: str) -> list[Any]:
    """All invitations that wait for whoever signs in with this address, in whichever organisation."""
    with db.engines["engine"].connect() as conn:
        return list(conn.execute(sql.FIND_INVITATIONS, {"email": email}))


def accept(organisation_id: UUID, id: UUID, email: str, account_id: UUID) -> None:
    """This account is the invited person from now on, with the devices that it has. Raises NotFound, Refused."""
    with step(organisation_id) as work, db.engines["engine"].connect() as conn:
        devices.bring(conn, work, account_id, joining.accept(work, id, email, account_id))


def account_for(found: Any, password: str) -> UUID:
    """The account of an invitation's address: the one that there is, if this is its password, or a new one with it.
    Raises Invalid."""
    with db.engines["engine"].connect() as conn:
        known = conn.execute(identity.FIND, {"email": found.email}).one_or_none()
    if identity.check_password(known.password_hash if known else None, password) and known:
        account_id: UUID = known.id
        return account_id
    if not SHORTEST <= len(password) <= LONGEST:
        raise Invalid("The password cannot be used.", FieldError("password", ""))
    hashed = identity.hash_password(password)
    with db.engines["engine"].begin() as conn:
        values = {"email": found.email, "password": hashed, "name": found.name}
        made = conn.execute(sql.NEW_ACCOUNT, values).scalar_one_or_none()
    if made is None:
        raise Refused("This is not the password of that address.")
    new: UUID = made
    return new
