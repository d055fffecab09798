"""The outbox of a machine that has no provider yet: accepts everything and sends nothing.

What was rendered is in the database already, and the outbox page shows it as its recipient would see it.
Counts and prices an SMS as the real provider would. Addresses are checked as strictly as elsewhere.
"""

from __future__ import annotations

from notify_app.channels.addresses import clean_email, clean_number
from notify_app.channels.base import GiveUp, Invalid, Message, Receipt
from notify_app.policy import sms
from notify_app.policy.sms import Prices

__all__ = ["LocalEmail", "LocalSms"]

ACCEPTED = "Kept on this machine; nothing was sent."


class LocalEmail:
    """Email that stays on the outbox page."""

    name = "email"
    provider = "local"
    instant = True

    def __init__(self, *, allow_test_domains: bool = False) -> None:
        self._allow_test_domains = allow_test_domains

    def clean(self, address: str) -> str:
        return clean_email(address, allow_test_domains=self._allow_test_domains)

    def send(self, message: Message) -> Receipt:
        try:
            self.clean(message.address)
        except Invalid as error:
            raise GiveUp(str(error), "bad_address", suppress=True) from error
        return Receipt("local", f"local-{message.idempotency_key}", ACCEPTED)

    def close(self) -> None:
        """Nothing is open."""


class LocalSms:
    """SMS that stays on the outbox page."""

    name = "sms"
    provider = "local"
    instant = True

    def __init__(self, *, prices: Prices | None = None) -> None:
        self._prices = prices or sms.prices()

    def clean(self, address: str) -> str:
        return clean_number(address)

    def send(self, message: Message) -> Receipt:
        try:
            number = self.clean(message.address)
        except Invalid as error:
            raise GiveUp(str(error), "bad_number", suppress=True) from error
        parts, cost = sms.segments(message.text).count, self._prices.cost(message.text, number)
        return Receipt("local", f"local-{message.idempotency_key}", ACCEPTED, parts, cost)

    def close(self) -> None:
        """Nothing is open."""
