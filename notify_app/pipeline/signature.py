"""Standard Webhooks signatures, checked over the raw bytes and before anything is parsed.

The library is kept behind this one function because malformed headers make it raise whatever came up
(ValueError, binascii.Error, UnicodeDecodeError): here each of them is the same refusal, in the same words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from standardwebhooks.webhooks import Webhook

from notify_app.errors import HubError

__all__ = ["DUMMY_SECRET", "BadSignature", "check", "sign"]

# an unknown source is checked against this, so that it takes as long as a known one
DUMMY_SECRET = "whsec_" + "A" * 32


REFUSED = "The signature, its time or its secret is not right. Sign webhook-id.timestamp.body as Standard Webhooks says."


class BadSignature(HubError):
    """Not signed with a secret of this source, or outside the five minutes that the standard allows."""

    code = "bad-signature"


def check(secrets: Iterable[str], headers: Mapping[str, str], body: bytes) -> None:
    """Accept if any of the source's secrets (two while one is being replaced) signed exactly these bytes.
    Raises BadSignature."""
    standard = {
        name: headers.get(name, "") for name in ("webhook-id", "webhook-timestamp", "webhook-signature")
    }
    for secret in secrets:
        if _signed(secret, standard, body):
            return
    raise BadSignature(REFUSED)


def _signed(secret: str, headers: dict[str, str], body: bytes) -> bool:
    try:
        Webhook(secret).verify(body, headers, json_parse=False)
    except Exception:  # noqa: BLE001  (its edge cases raise anything; all of it means "not signed")
        return False
    return True


def sign(secret: str, message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three headers for a body, for examples, tests and the demo. `at` must be aware."""
    moment = at.astimezone(UTC)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Webhook(secret).sign(message_id, moment, body.decode()),
    }
