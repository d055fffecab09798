"""SMS through Amazon SNS: one number, transactional, with a limit on what it may cost (requirement A9).

SNS accepts a message that it will not send when the price is above MaxPrice, so a message that is surely
too dear is refused here, where it leaves a trace. An accepted SMS is not a delivered one.
"""

from __future__ import annotations

import re
from decimal import Decimal

from notify_app.channels.addresses import clean_number
from notify_app.channels.aws import Account, Client, call
from notify_app.channels.base import (
    OPTED_OUT,
    ChannelFailure,
    GiveUp,
    Invalid,
    Message,
    Misconfigured,
    Receipt,
    Unsendable,
)
from notify_app.policy import sms
from notify_app.policy.sms import Prices

__all__ = ["SnsSms"]

SENDER_ID = re.compile(
    r"(?=.*[A-Za-z])[A-Za-z0-9]{1,11}"
)  # AWS: 1-11 letters and digits, a letter among them


class SnsSms:
    """The SMS channel over one SNS account and region."""

    name = "sms"
    provider = "sns"
    instant = False

    def __init__(self, account: Account, *, max_price: Decimal, prices: Prices | None = None) -> None:
        self._client = Client("sns", account)
        self._max_price = max_price
        self._prices = prices or sms.prices()

    def clean(self, address: str) -> str:
        return clean_number(address)

    def send(self, message: Message) -> Receipt:
        number = self._number(message.address)
        parts, cost = sms.segments(message.text).count, self._prices.cost(message.text, number)
        limit = self._max_price if message.max_price is None else message.max_price
        if cost > limit:
            raise Unsendable(f"This SMS would cost ${cost}, more than the limit of ${limit}.", "max_price")
        answer = call(
            self._client,
            "publish",
            judge,
            PhoneNumber=number,
            Message=message.text,
            MessageAttributes=_attributes(limit, message.sender.sms_id),
        )
        provider_id = str(answer.get("MessageId", ""))
        return Receipt("sns", provider_id, f"MessageId {provider_id}", parts, cost)

    def close(self) -> None:
        self._client.close()

    def _number(self, address: str) -> str:
        try:
            return self.clean(address)
        except Invalid as error:
            raise Unsendable(str(error), "bad_number", suppress=True) from error


def _attributes(max_price: Decimal, sender_id: str) -> dict[str, dict[str, str]]:
    attributes = {
        "AWS.SNS.SMS.SMSType": {"DataType": "String", "StringValue": "Transactional"},
        "AWS.SNS.SMS.MaxPrice": {"DataType": "Number", "StringValue": f"{max_price:f}"},
    }
    if SENDER_ID.fullmatch(sender_id):
        attributes["AWS.SNS.SMS.SenderID"] = {"DataType": "String", "StringValue": sender_id}
    return attributes


def judge(code: str, message: str) -> ChannelFailure | None:
    """SNS's own errors (reliability.md §3.2)."""
    reason, words = f"{code}: {message}", message.lower()
    if "sandbox" in words or "spend" in words or "not verified" in words:
        return Misconfigured(reason, code)
    if "opted out" in words or "optedout" in words or code == OPTED_OUT:
        return GiveUp(reason, OPTED_OUT, suppress=True)
    if code in (
        "InvalidParameter",
        "InvalidParameterException",
        "InvalidParameterValue",
        "ParameterValueInvalid",
    ):
        return GiveUp(reason, code, suppress="phonenumber" in words.replace(" ", ""))
    return None
