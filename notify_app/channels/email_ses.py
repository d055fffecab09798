"""Email through Amazon SES (API version 2), as the same bytes that SMTP would carry.

SendEmail has no idempotency token: an answer that is lost is Ambiguous, and the constant Message-ID lets
the far end fold the twin.
"""

from __future__ import annotations

from notify_app.channels.addresses import clean_email
from notify_app.channels.aws import Account, Client, call
from notify_app.channels.base import BadSender, ChannelFailure, GiveUp, Message, Misconfigured, Receipt
from notify_app.channels.email_build import build

__all__ = ["SesEmail"]

ACCOUNT_IS_HELD = frozenset(
    ("AccountSuspendedException", "SendingPausedException", "MailFromDomainNotVerifiedException")
    + ("NotFoundException",)  # a configuration set that does not exist
)


class SesEmail:
    """The email channel over one SES account and region."""

    name = "email"
    provider = "ses"
    instant = False

    def __init__(self, account: Account, *, allow_test_domains: bool = False) -> None:
        self._client = Client("sesv2", account)
        self._allow_test_domains = allow_test_domains

    def clean(self, address: str) -> str:
        return clean_email(address, allow_test_domains=self._allow_test_domains)

    def send(self, message: Message) -> Receipt:
        answer = call(
            self._client,
            "send_email",
            judge,
            FromEmailAddress=message.sender.address,
            Destination={"ToAddresses": [message.address]},
            Content={"Raw": {"Data": build(message)}},
        )
        return Receipt("ses", str(answer.get("MessageId", "")), f"MessageId {answer.get('MessageId', '')}")

    def close(self) -> None:
        self._client.close()


def judge(code: str, message: str) -> ChannelFailure | None:
    """SES's own errors (reliability.md §3.2)."""
    reason = f"{code}: {message}"
    if code in ACCOUNT_IS_HELD:
        return Misconfigured(reason, code)
    if code == "MessageRejected":  # also the word for a sandbox, an unverified sender and a paused account
        if "not verified" in message.lower():
            return BadSender(reason, code)
        ours = ("paused", "sandbox", "suspended")
        return (
            Misconfigured(reason, code)
            if any(word in message.lower() for word in ours)
            else GiveUp(reason, code)
        )
    if code in ("BadRequestException", "InvalidParameterValue", "ValidationException"):
        return GiveUp(reason, code)
    return None
