"""One click against a kind of email (RFC 8058): the address in a mail's header, and what it does.

The address is a stamp and no row: mail programs keep mails for years. It names one person, one kind of message and one
channel, and can switch that off and on again; nothing is read by it that its mail did not say. What is urgent is never
refused by it, as by no other choice.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

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
          AND c.scope = :scope AND c.channel = :channel), true) AS wanted
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
        row = work.one(NOW, me=self.person_id, scope=f"category:{self.category}", channel=self.channel)
        if row is None:
            return None
        company = read(Branding, row.branding).company_name or row.organisation
        return Standing(company, row.name, bool(row.wanted))

    def keep(self, work: Step, *, wanted: bool) -> None:
        """Switch it on or off, as on the page of preferences; twice is as good as once."""
        scope = f"category:{self.category}"
        wishes.choose(work, self.person_id, {(scope, self.channel): None if wanted else False}, LINK)


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
