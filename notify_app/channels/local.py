"""The outbox of a machine that has no provider yet: accepts everything and sends nothing.

What was rendered is in the database already, and the outbox page shows it as its recipient would see it.
Counts and prices an SMS as the real provider would. Addresses are checked as strictly as elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from notify_app.channels.addresses import clean_email, clean_number
from notify_app.channels.base import GiveUp, Invalid, Message, Receipt
from notify_app.policy import sms
from notify_app.policy.sms import Prices

__all__ = ["Local", "LocalEmail", "LocalSms"]

ACCEPTED = "Kept on this machine; nothing was sent."


class Local:
    """Messages of one channel that stay on the outbox page. `clean` as in `channels.base.Channel`."""

    provider = "local"
    instant = True

    def __init__(self, name: str, clean: Callable[[str], str]) -> None:
        self.name = name
        self._clean = clean

    def clean(self, address: str) -> str:
        return self._clean(address)

    def send(self, message: Message) -> Receipt:
        try:
            address = self.clean(message.address)
        except Invalid as error:
            raise GiveUp(str(error), "bad_address", suppress=True) from error
        return Receipt("local", f"local-{message.idempotency_key}", ACCEPTED, *self._size(message, address))

    def _size(self, message: Message, address: str) -> tuple[int, Decimal | None]:  # noqa: ARG002
        """Segments and price, where a message has them."""
        return 0, None

    def close(self) -> None:
        """Nothing is open."""


class LocalEmail(Local):
    """Email that stays on the outbox page."""

    def __init__(self, *, allow_test_domains: bool = False) -> None:
        super().__init__("email", lambda given: clean_email(given, allow_test_domains=allow_test_domains))


class LocalSms(Local):
    """SMS that stays on the outbox page, counted and priced."""

    def __init__(self, *, prices: Prices | None = None) -> None:
        super().__init__("sms", clean_number)
        self._prices = prices or sms.prices()

    def _size(self, message: Message, address: str) -> tuple[int, Decimal | None]:
        return sms.segments(message.text).count, self._prices.cost(message.text, address)
