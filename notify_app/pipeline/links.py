"""Where a message's button leads: a page of the reader's own kind, or a private link for those who do not sign in."""

from __future__ import annotations

from uuid import UUID

from notify_app.pipeline.audience import Member
from notify_app.pipeline.step import Step, hub
from notify_app.secrets import LINK_LIFE, Secrets

__all__ = ["PAGES", "to_item"]

# action links differ by the kind of recipient (A4)
PAGES = {"technician": "/jobs/{id}", "contact": "/repairs/{id}"}
OFFICE_PAGE = "/work/{id}"


def to_item(step: Step, member: Member, item_id: UUID | None) -> str:
    """The path of the item's page for this person; '' where the message is about no item."""
    if item_id is None:
        return ""
    if member.signs_in:
        return PAGES.get(member.role, OFFICE_PAGE).format(id=item_id)
    return f"/l/{_private(step, member.id, item_id)}"


def _private(step: Step, person_id: UUID, item_id: UUID) -> str:
    token = Secrets(hub().secret_key).new_link()
    step.run(
        "INSERT INTO link (organisation_id, token_hash, person_id, item_id, expires_at) "
        "VALUES (:org, :hash, :person, :item, :until)",
        hash=Secrets.hash_token(token),
        person=person_id,
        item=item_id,
        until=step.now + LINK_LIFE,
    )
    return token
