"""One click against a kind of email (RFC 8058): the address in a mail's header, and what it does.

The address is a stamp and no row: mail programs keep mails for years. It names one person, one kind of message and one
channel, and can switch that off and on again; nothing is read by it that its mail did not say. What is urgent is never
refused by it, as by no other choice.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

from notify_app import domains
from notify_app.pipeline.step import Step, hub
from notify_app.policy.office import Branding, read
from notify_app.secrets import Secrets
from notify_app.work import wishes
from notify_app.work.record import LINK

__all__ = ["Wish", "address", "of_token"]

PATH = "/unsubscribe/"
PURPOSE = "unsubscribe"
SPLIT = "/"
NOW = """
    SELECT p.name, o.name AS organisation, o.branding, coalesce(p.locale, o.locale) AS locale, coalesce((
        SELECT c.enabled FROM preference_choice c WHERE c.organisation_id = p.organisation_id AND c.person_id = p.id
          AND c.scope = :scope AND c.channel = :channel), true) AS wanted, ARRAY(
        SELECT c.scope FROM preference_choice c WHERE c.organisation_id = p.organisation_id AND c.person_id = p.id
          AND c.scope = ANY(:events) AND c.channel = :channel AND c.enabled) AS wanted_events
    FROM person p JOIN organisation o ON o.id = p.organisation_id
    WHERE p.organisation_id = :org AND p.id = :me AND p.left_at IS NULL
"""


_secrets = lru_cache(maxsize=4)(Secrets)


@dataclass(frozen=True)
class Wish:
    """Whose, and about what."""

    organisation_id: UUID
    person_id: UUID
    category: str
    channel: str

    def now(self, work: Step) -> Standing | None:
        """How it stands; None when the person is not there any more."""
        row = self._row(work)
        if row is None:
            return None
        company = read(Branding, row.branding).company_name or row.organisation
        return Standing(company, row.name, bool(row.wanted or row.wanted_events))

    def _row(self, work: Step) -> Any:
        events = [f"event:{one.name}" for one in domains.events() if one.category == self.category]
        values = {"scope": self._scope, "channel": self.channel, "events": events}
        return work.one(NOW, me=self.person_id, **values)

    @property
    def _scope(self) -> str:
        return f"category:{self.category}"

    def keep(self, work: Step, *, wanted: bool) -> None:
        """Switch it on or off, as on the page of preferences; twice is as good as once. What is wanted of it by a choice of its
        own ends too: that would weigh more."""
        choices: dict[tuple[str, str], bool | None] = {(self._scope, self.channel): None if wanted else False}
        row = self._row(work)
        if row is not None and not wanted:
            choices |= {(one, self.channel): None for one in row.wanted_events}
        wishes.choose(work, self.person_id, choices, LINK)


@dataclass(frozen=True)
class Standing:
    """What the page says."""

    company: str
    person: str
    wanted: bool


def address(organisation_id: UUID | str, person_id: UUID, category: str, channel: str) -> str:
    """Where one refuses messages of a kind; the same each time, so that a retry sends the same bytes."""
    settings = hub()
    return _address(settings.secret_key, settings.base_url, organisation_id, person_id, category, channel)


@lru_cache(maxsize=4096)
def _address(
    secret_key: str, base_url: str, organisation_id: UUID | str, person_id: UUID, category: str, channel: str
) -> str:
    parts = (UUID(str(organisation_id)).hex, person_id.hex, category, channel)
    return base_url + PATH + _secrets(secret_key).stamp(PURPOSE, SPLIT.join(parts))


def of_token(given: str) -> Wish | None:
    """What a token is about; None when we have not made it."""
    try:
        organisation, person, category, channel = (
            _secrets(hub().secret_key).stamped(PURPOSE, given[:400]).split(SPLIT)
        )
        return Wish(UUID(organisation), UUID(person), category, channel)
    except ValueError:
        return None
