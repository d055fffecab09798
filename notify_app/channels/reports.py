"""What SES and SNS report of messages that they have taken, in one form; and what people answer by SMS.

SES says it in two shapes (`notificationType` of an identity's feedback, `eventType` of a configuration set), SNS as a record
of its delivery status. What a report says of an address is not believed for more than this message: which address it was
is known here. What is none of these is passed over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from notify_app.channels.base import redacted
from notify_app.errors import FieldError, Invalid
from notify_app.policy.feedback import Heard

__all__ = ["Answered", "Report", "answer", "report"]

LONGEST_ID, LONGEST_DETAIL, LONGEST_ANSWER = 200, 500, 1600
PERMANENT = "Permanent"
# SNS says in words why an SMS has failed; the first that fits counts
SMS_WORDS = (
    (("opted out", "opt out", "opt-out", "optedout"), Heard.opted_out),
    (("invalid phone number", "invalid number", "landline"), Heard.hard_bounce),
    (("unreachable", "unavailable", "unknown error attempting"), Heard.soft_bounce),
)


@dataclass(frozen=True, slots=True)
class Report:
    """One report about one message: the provider's id of it, and what was heard."""

    provider: str
    provider_id: str
    heard: Heard
    detail: str = ""

    def plain(self) -> dict[str, Any]:
        """As it is kept."""
        return {**asdict(self), "heard": self.heard.name}

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Report:
        """As it was kept."""
        return cls(plain["provider"], plain["provider_id"], Heard[plain["heard"]], plain["detail"])


@dataclass(frozen=True, slots=True)
class Answered:
    """An SMS that came in: from whom, to which of our numbers, and its words."""

    number: str
    to: str
    words: str

    def plain(self) -> dict[str, Any]:
        """As it is kept."""
        return asdict(self)


def report(message: Mapping[str, Any]) -> Report | None:
    """What a topic's message reports, or None for what is no report about a message. Raises Invalid for a report that
    does not say which."""
    kind = message.get("notificationType") or message.get("eventType")
    if isinstance(kind, str) and isinstance(message.get("mail"), dict):
        found = _of_email(kind.replace(" ", ""), message)
        return found and Report("ses", _id(message["mail"], "mail.messageId"), *found)
    if message.get("status") in ("SUCCESS", "FAILURE") and isinstance(message.get("notification"), dict):
        return Report("sns", _id(message["notification"], "notification.messageId"), *_of_sms(message))
    return None


def _of_email(kind: str, message: Mapping[str, Any]) -> tuple[Heard, str] | None:
    match kind:
        case "Delivery":
            return Heard.delivered, ""
        case "Bounce":
            return _bounce(_part(message, "bounce"))
        case "Complaint":
            part = _part(message, "complaint")
            feedback = str(part.get("complaintFeedbackType") or "")
            # somebody has taken it out of their spam
            return None if feedback == "not-spam" else (Heard.complaint, _said(feedback))
        case "Reject":
            return Heard.rejected, _said(_part(message, "reject").get("reason"))
        case "RenderingFailure":
            return Heard.rejected, _said(_part(message, "failure").get("errorMessage"))
        case "DeliveryDelay":
            return Heard.delayed, _said(_part(message, "deliveryDelay").get("delayType"))
    return None


def _bounce(part: Mapping[str, Any]) -> tuple[Heard, str]:
    heard = Heard.hard_bounce if part.get("bounceType") == PERMANENT else Heard.soft_bounce
    recipients = part.get("bouncedRecipients")
    first = recipients[0] if isinstance(recipients, list) and recipients else {}
    said = first.get("diagnosticCode") or first.get("status") if isinstance(first, dict) else None
    return heard, _said(said or part.get("bounceSubType"))


def _of_sms(message: Mapping[str, Any]) -> tuple[Heard, str]:
    said = _said(_part(message, "delivery").get("providerResponse"))
    if message["status"] == "SUCCESS":
        return Heard.delivered, ""
    words = said.lower()
    heard = next((one for some, one in SMS_WORDS if any(word in words for word in some)), Heard.rejected)
    return heard, said


def _part(message: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = message.get(name)
    return found if isinstance(found, dict) else {}


def _id(part: Mapping[str, Any], field: str) -> str:
    found = part.get("messageId")
    if not isinstance(found, str) or not 0 < len(found) <= LONGEST_ID:
        raise Invalid("This report names no message.", FieldError(field, "Send the id of the message."))
    return found


def _said(words: Any) -> str:
    """A provider's words without addresses, in one line."""
    return " ".join(redacted(words).split())[:LONGEST_DETAIL] if isinstance(words, str) else ""


def answer(message: Mapping[str, Any]) -> Answered | None:
    """The SMS that came in, or None for what is none. Raises Invalid for one without a number."""
    if "originationNumber" not in message and "messageBody" not in message:
        return None
    number, to, words = (
        message.get(name, "") for name in ("originationNumber", "destinationNumber", "messageBody")
    )
    if not isinstance(number, str) or not number or len(number) > 30:
        raise Invalid(
            "This SMS comes from nobody.",
            FieldError("originationNumber", "Send the number that it came from."),
        )
    return Answered(
        number,
        to[:30] if isinstance(to, str) else "",
        words[:LONGEST_ANSWER] if isinstance(words, str) else "",
    )
