"""Amazon's SNS as the hub meets it: it signs what it sends with a key whose certificate it serves, and takes confirmations.

    with SnsStub() as sns:
        sns.signed({"notificationType": ...})   an envelope as SNS posts it, signed
        sns.asked                               what was asked of it, in order

The key and the certificate are made for the test; nothing of the hub is patched: `HUB_SNS_URL` says where to ask.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import threading
from collections.abc import Mapping
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

TOPIC = "arn:aws:sns:us-east-1:123456789012:feedback"
ANOTHER_TOPIC = "arn:aws:sns:us-east-1:999999999999:feedback"
HOST = "sns.us-east-1.amazonaws.com"
NAME = "SimpleNotificationService-0123456789abcdef0123456789abcdef"
CERTIFICATE_URL = f"https://{HOST}/{NAME}.pem"
TYPES = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": (
        "Message",
        "MessageId",
        "SubscribeURL",
        "Timestamp",
        "Token",
        "TopicArn",
        "Type",
    ),
}


@cache
def key() -> rsa.RSAPrivateKey:
    """The key that signs."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def another_key() -> rsa.RSAPrivateKey:
    """Somebody else's."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def certificate_of(signer: rsa.RSAPrivateKey, *, days: int = 30) -> bytes:
    """A certificate that ends so many days from now (or has ended, for less than none)."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(signer.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=365))
        .not_valid_after(now + dt.timedelta(days=days))
        .sign(signer, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


class SnsStub:
    """Serves the certificates and takes the confirmations; `pages` are path → (status, body)."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.pages: dict[str, tuple[int, bytes]] = {}
        self._server: Any = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Answer)
        self._server.stub = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        self.reset()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        assert self._thread
        self._thread.join(10)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def reset(self) -> None:
        """As new, for the next test."""
        self.asked.clear()
        self.pages = {
            f"/{NAME}.pem": (200, certificate_of(key())),
            "/expired.pem": (200, certificate_of(key(), days=-1)),
            "/nothing.pem": (200, b"no certificate"),
            "/": (200, b"<ConfirmSubscriptionResponse/>"),
        }

    def signed(
        self,
        message: Mapping[str, Any] | str,
        *,
        version: str = "1",
        signer: rsa.RSAPrivateKey | None = None,
        at: dt.datetime | None = None,
        **changes: Any,
    ) -> dict[str, Any]:
        """The envelope of a message, signed as SNS does; `changes` replace its fields before that (None takes one away)."""
        moment = (at or dt.datetime.now(dt.UTC)).astimezone(dt.UTC)
        envelope: dict[str, Any] = {
            "Type": "Notification",
            "MessageId": str(uuid4()),
            "TopicArn": TOPIC,
            "Message": message if isinstance(message, str) else json.dumps(message),
            "Timestamp": moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z",
            "SignatureVersion": version,
            "SigningCertURL": CERTIFICATE_URL,
            "UnsubscribeURL": f"https://{HOST}/?Action=Unsubscribe&SubscriptionArn={TOPIC}:1",
            **changes,
        }
        envelope = {name: value for name, value in envelope.items() if value is not None}
        names = TYPES.get(envelope.get("Type", ""), TYPES["SubscriptionConfirmation"])
        signed = "".join(f"{name}\n{envelope[name]}\n" for name in names if name in envelope).encode()
        hashed = hashes.SHA1() if version == "1" else hashes.SHA256()  # noqa: S303
        made = (signer or key()).sign(signed, padding.PKCS1v15(), hashed)
        return {**envelope, "Signature": base64.b64encode(made).decode()}

    def confirmation(self, **changes: Any) -> dict[str, Any]:
        """What a topic sends first."""
        asks = f"https://{HOST}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37"
        given = {"Type": "SubscriptionConfirmation", "SubscribeURL": asks, "Token": "2336412f37", **changes}
        return self.signed("You have chosen to subscribe to the topic.", **given)


class _Answer(BaseHTTPRequestHandler):
    server: Any

    def do_GET(self) -> None:
        stub = self.server.stub
        stub.asked.append(self.path)
        status, body = stub.pages.get(self.path.partition("?")[0], (404, b""))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


# --- what SES and SNS say ------------------------------------------------------------------------------------------


def ses(kind: str, provider_id: str, *, event: bool = False, **more: Any) -> dict[str, Any]:
    """A report of SES: of an identity's feedback, or of a configuration set (`event`)."""
    name = "eventType" if event else "notificationType"
    part = kind[0].lower() + kind[1:].replace(" ", "")
    part = "failure" if kind == "Rendering Failure" else part
    mail = {
        "messageId": provider_id,
        "timestamp": "2026-11-24T22:05:00.000Z",
        "destination": ["x@example.com"],
    }
    return {name: kind, "mail": mail, part: more}


def bounce(provider_id: str, type_: str = "Permanent", *, event: bool = False) -> dict[str, Any]:
    """It came back."""
    said = "smtp; 550 5.1.1 user unknown" if type_ == "Permanent" else "smtp; 452 4.2.2 mailbox full"
    recipients = [{"emailAddress": "x@example.com", "status": "5.1.1", "diagnosticCode": said}]
    return ses("Bounce", provider_id, event=event, bounceType=type_, bouncedRecipients=recipients)


def sms_status(provider_id: str, status: str, said: str = "") -> dict[str, Any]:
    """A record of SNS's delivery status."""
    return {
        "notification": {"messageId": provider_id, "timestamp": "2026-11-24 22:05:00.558"},
        "delivery": {
            "destination": "+12025550101",
            "priceInUSD": 0.00645,
            "providerResponse": said,
            "numberOfMessageParts": 1,
        },
        "status": status,
    }
