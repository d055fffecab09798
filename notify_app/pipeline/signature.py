"""Standard Webhooks signatures, checked over the raw bytes and before anything is parsed.

The library is kept behind this one class because malformed headers make it raise whatever came up
(ValueError, binascii.Error, UnicodeDecodeError): here each of them is the same refusal, in the same words. It also
judges whatever is not written in the plainest way; what is, is accepted by a comparison that it would agree with.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from standardwebhooks.webhooks import Webhook

from notify_app.errors import HubError

__all__ = ["DUMMY", "REFUSED", "BadSignature", "Verifier", "check", "sign"]

REFUSED = "The signature, its time or its secret is not right. Sign webhook-id.timestamp.body as Standard Webhooks says."
TOLERANCE_SECONDS = 5 * 60


class BadSignature(HubError):
    """Not signed with a secret of this source, or outside the five minutes that the standard allows."""

    code = "bad-signature"


class Verifier:
    """One secret, made ready to check with."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        # as the library reads it: the prefix may be missing, and so may the padding
        try:
            self._key = base64.b64decode(f"{secret.removeprefix('whsec_')}==")
        except ValueError:
            self._key = b""  # with which nothing is signed

    def signed(self, headers: Mapping[str, str], body: bytes, now: float) -> bool:
        """Whether these bytes were signed with it, at most five minutes from `now` (real time, in seconds)."""
        return bool(self._key) and (self._plainly(headers, body, now) or self._at_all(headers, body))

    def _plainly(self, headers: Mapping[str, str], body: bytes, now: float) -> bool:
        """One signature, in the very form in which it would be made here; the time in digits alone."""
        message_id, stamp, given = (
            headers["webhook-id"],
            headers["webhook-timestamp"],
            headers["webhook-signature"],
        )
        head = f"{message_id}.{stamp}."
        if not (message_id and head.isascii() and given.isascii() and stamp.isdigit() and len(stamp) == 10):
            return False
        if stamp[0] == "0" or abs(int(stamp) - now) >= TOLERANCE_SECONDS:
            return False
        mac = hmac.digest(self._key, head.encode() + body, "sha256")
        return hmac.compare_digest(f"v1,{base64.b64encode(mac).decode()}", given)

    def _at_all(self, headers: Mapping[str, str], body: bytes) -> bool:
        try:
            Webhook(self._secret).verify(body, dict(headers), json_parse=False)
        except Exception:  # noqa: BLE001  (its edge cases raise anything; all of it means "not signed")
            return False
        return True


# an unknown source is checked against this, so that it takes as long as a known one
DUMMY = Verifier("whsec_" + "A" * 32)


def check(verifiers: Iterable[Verifier], headers: Mapping[str, str], body: bytes, now: float) -> int:
    """Accept if any of the source's secrets (two while one is being replaced) signed exactly these bytes; returns which
    of them. `headers` has the three of the standard, '' where one is missing. Raises BadSignature."""
    for at, verifier in enumerate(verifiers):
        if verifier.signed(headers, body, now):
            return at
    raise BadSignature(REFUSED)


def sign(secret: str, message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three headers for a body, for examples, tests and the demo. `at` must be aware."""
    moment = at.astimezone(UTC)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Webhook(secret).sign(message_id, moment, body.decode()),
    }
