"""Sign-ins for people: a new account with a link for its first password, or an account that somebody has already.

Only the organisation that made an account hands out the link for its first password, and only until there is one: no
administrator can take over a sign-in that belongs to somebody. What somebody has already is joined, and its password
stays theirs. These statements run as hub_engine: an account belongs to no organisation.
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
from notify_app.work import roster
from notify_app.work.record import By

__all__ = ["LIFE", "accept", "find", "invite"]

LIFE = timedelta(days=7)


def invite(organisation_id: UUID, person_id: UUID, name: str, given: str, by: By) -> str:
    """Let this person sign in with an email address. Returns the token of the link for the first password, or '' where
    the address signs in to this hub already. Raises Invalid, Refused, NotFound."""
    try:
        email = clean_email(given, allow_test_domains=hub().env != "production")
    except BadAddress as error:
        raise Invalid("The address cannot be used.", FieldError("email", str(error))) from None
    with db.engines["engine"].begin() as conn:
        conn.execute(sql.NEW_ACCOUNT, {"email": email, "name": name, "organisation": organisation_id})
        account = conn.execute(sql.FIND_ACCOUNT, {"email": email}).one()
    if account.disabled:
        raise Refused("This address must not sign in any more.")
    if account.waits and account.invited_by != organisation_id:
        raise Refused(
            "This address was invited elsewhere and has not accepted yet. It can be joined once it has."
        )
    with step(organisation_id) as work:
        roster.join(work, person_id, account.id, by)
    return _link(account.id, organisation_id) if account.waits else ""


def _link(account_id: UUID, organisation_id: UUID) -> str:
    token = random_secrets.token_urlsafe(32)
    values = {
        "id": account_id,
        "hash": Secrets.hash_token(token),
        "life": LIFE,
        "organisation": organisation_id,
    }
    with db.engines["engine"].begin() as conn:
        made = conn.execute(sql.INVITE, values).rowcount
    return token if made else ""  # the password was set meanwhile


def find(token: str) -> Any:
    """Whose first password the link sets (email, name, organisation, good), or None."""
    with db.engines["engine"].connect() as conn:
        return conn.execute(sql.FIND_INVITATION, {"hash": Secrets.hash_token(token[:100])}).one_or_none()


def accept(token: str, password_hash: str) -> UUID | None:
    """Set the first password; the account's id, or None where the link is used up."""
    values = {"hash": Secrets.hash_token(token[:100]), "password": password_hash}
    with db.engines["engine"].begin() as conn:
        row = conn.execute(sql.ACCEPT_INVITATION, values).one_or_none()
    return row.id if row else None
