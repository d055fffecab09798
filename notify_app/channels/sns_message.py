"""A message of an SNS topic as it comes over HTTP: its envelope, what of it is signed, and whether the signature is good.

Nothing in it is believed before that: an address that it names is only looked at when it is one of SNS's own, in the
region of the topic, and a topic that the installation does not listen to is refused first.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from notify_app.errors import FieldError, Forbidden, Invalid

__all__ = [
    "CONFIRM",
    "NOTIFICATION",
    "OLDEST",
    "UNSUBSCRIBED",
    "SnsMessage",
    "certificate",
    "check_signature",
    "parse",
]

NOTIFICATION, CONFIRM, UNSUBSCRIBED = (
    "Notification",
    "SubscriptionConfirmation",
    "UnsubscribeConfirmation",
)
OLDEST, EARLIEST = timedelta(hours=1), timedelta(minutes=5)  # behind and before our clock
REFUSED = "This is not a signed message of a topic that is listened to here."
# what is signed, in this order; a name that is not there is left out
SIGNED = {
    NOTIFICATION: ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    CONFIRM: ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
SIGNED[UNSUBSCRIBED] = SIGNED[CONFIRM]
NEEDED = ("Message", "MessageId", "Signature", "SignatureVersion", "SigningCertURL", "Timestamp", "TopicArn")
# SHA-1 is what version 1 of the signature is made with: AWS chooses it, topic by topic
HASHES: Mapping[str, hashes.HashAlgorithm] = {"1": hashes.SHA1(), "2": hashes.SHA256()}  # noqa: S303
LONGEST = {"Message": 512 * 1024}
LONGEST_FIELD = 4096
CERTIFICATE = re.compile(r"/[A-Za-z0-9_-]{1,200}\.pem")
MESSAGE_ID = re.compile(r"[A-Za-z0-9-]{1,100}")


@dataclass(frozen=True, slots=True)
class SnsMessage:
    """An envelope whose shape is right; `check_signature` says whether it is true."""

    type: str
    id: str
    topic: str
    at: datetime
    message: str
    certificate_url: str
    subscribe_url: str
    _signed: bytes
    _signature: bytes
    _version: str

    def fresh(self, now: datetime) -> bool:
        """Whether it was sent lately; an older one is a redelivery, or somebody's copy."""
        return now - OLDEST <= self.at <= now + EARLIEST


def parse(body: Mapping[str, Any], topics: Collection[str]) -> SnsMessage:
    """The envelope in a JSON object. Raises Invalid for another shape, Forbidden for a topic that is not listened to and
    for addresses that are not of its SNS."""
    type_ = _text(body, "Type")
    if type_ not in SIGNED:
        raise _unusable("Type", f"Use one of {', '.join(SIGNED)}.")
    given = {name: _text(body, name) for name in NEEDED}
    if type_ != NOTIFICATION:
        given |= {name: _text(body, name) for name in ("SubscribeURL", "Token")}
    if body.get("Subject") is not None:
        given["Subject"] = _text(body, "Subject", empty=True)
    given["Type"] = type_
    if not MESSAGE_ID.fullmatch(given["MessageId"]):
        raise _unusable("MessageId", "Send the id that SNS has given.")
    if given["SignatureVersion"] not in HASHES:
        raise _unusable("SignatureVersion", "Use 1 or 2.")
    topic = given["TopicArn"]
    if topic not in topics:
        raise Forbidden(REFUSED)
    certificate = given["SigningCertURL"]
    if not _of_sns(certificate, topic) or not CERTIFICATE.fullmatch(urlsplit(certificate).path):
        raise Forbidden(REFUSED)
    subscribe = given.get("SubscribeURL", "")
    if type_ == CONFIRM and not _confirms(subscribe, topic):
        raise Forbidden(REFUSED)
    return SnsMessage(
        type=type_,
        id=given["MessageId"],
        topic=topic,
        at=_moment(given["Timestamp"]),
        message=given["Message"],
        certificate_url=certificate,
        subscribe_url=subscribe,
        _signed="".join(f"{name}\n{given[name]}\n" for name in SIGNED[type_] if name in given).encode(),
        _signature=_bytes(given["Signature"]),
        _version=given["SignatureVersion"],
    )


def certificate(pem: bytes) -> x509.Certificate:
    """The first certificate in a file. Raises ValueError."""
    found = x509.load_pem_x509_certificate(pem)
    if not isinstance(found.public_key(), rsa.RSAPublicKey):
        raise ValueError("a certificate of SNS has an RSA key")
    return found


def check_signature(message: SnsMessage, signer: x509.Certificate, now: datetime) -> None:
    """Raises Forbidden when it is not signed with the certificate's key, or the certificate is not good now."""
    key = signer.public_key()
    good = signer.not_valid_before_utc <= now <= signer.not_valid_after_utc
    if not good or not isinstance(key, rsa.RSAPublicKey):
        raise Forbidden(REFUSED)
    try:
        key.verify(message._signature, message._signed, padding.PKCS1v15(), HASHES[message._version])
    except InvalidSignature:
        raise Forbidden(REFUSED) from None


def _text(body: Mapping[str, Any], name: str, *, empty: bool = False) -> str:
    value = body.get(name)
    if (
        not isinstance(value, str)
        or (not value and not empty)
        or len(value) > LONGEST.get(name, LONGEST_FIELD)
    ):
        raise _unusable(name, "Send the text that SNS has put here.")
    return value


def _unusable(field: str, message: str) -> Invalid:
    return Invalid("This is no message of SNS.", FieldError(field, message))


def _moment(given: str) -> datetime:
    try:
        at = datetime.fromisoformat(given)
    except ValueError:
        raise _unusable("Timestamp", "Write it as 2026-11-24T22:05:00.000Z.") from None
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def _bytes(given: str) -> bytes:
    try:
        return base64.b64decode(given, validate=True)
    except (binascii.Error, ValueError):
        raise _unusable("Signature", "Send it in base64.") from None


def _of_sns(url: str, topic: str) -> bool:
    """Whether the address is encrypted, and SNS's own in the topic's region."""
    _, partition, _, region, *_ = topic.split(":")
    host = f"sns.{region}.amazonaws.com{'.cn' if partition == 'aws-cn' else ''}"
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" and parts.netloc == host and not parts.fragment and url.isascii()
    except ValueError:
        return False


def _confirms(url: str, topic: str) -> bool:
    if not _of_sns(url, topic):
        return False
    parts = urlsplit(url)
    asked = parse_qs(parts.query)
    return (
        parts.path == "/"
        and asked.get("Action") == ["ConfirmSubscription"]
        and asked.get("TopicArn") == [topic]
    )
