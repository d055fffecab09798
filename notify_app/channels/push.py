"""Web push: what it is, and how a message reaches a browser that is closed (RFC 8030, 8188, 8291, 8292).

An address is what a browser gives when its user allows it: the endpoint of its push service, and two keys by which only
that browser can read what is sent. Push belongs to the inbox (requirement A5): each device has each message, nothing
stands in for a push, and one that fails says nothing about whether somebody was reached. What is seen to or read elsewhere is
taken back by one more (`pipeline.recall`).
"""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import http_ece
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from py_vapid import Vapid02

from notify_app.channels.base import Channel, GiveUp, Invalid, Message, Misconfigured, Receipt, Unsendable
from notify_app.channels.http import call, said, trouble
from notify_app.channels.local import Local
from notify_app.outgoing import Answer
from notify_app.policy.channel import ChannelType, Limit, Provider, Schedule, declare, gaps

__all__ = ["PUSH", "WebPush", "address_of", "public_key"]

LONGEST_ENDPOINT = 1024
POINT_BYTES, AUTH_BYTES = 65, 16  # RFC 8291: an uncompressed point of P-256, and a secret of 16 bytes
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # SEC 2, secp256r1: n
TITLE, WORDS, FEW_WORDS = 120, 400, 80  # characters; services take 4,096 bytes, encrypted
SECONDS = 5.0
URGENCY = {"urgent": "high", "high": "high", "medium": "normal", "low": "low"}  # RFC 8030 §5.3
LIFE = {"urgent": timedelta(hours=1), "": timedelta(hours=6)}
TOKEN_LIFE = 12 * 3600  # seconds; RFC 8292 allows a day
BASE64URL = re.compile(r"[A-Za-z0-9_-]+")
# it forgets a subscription after a few pushes that show nothing; the others let a few a day pass
STRICT = "Safari"
# the words of a service for a subscription of another key than ours
OTHER_KEY = ("do not correspond", "mismatch")
# the push services of browsers, by the end of their host, and what people know them by
BROWSERS = (
    ("googleapis.com", "Chrome"),
    ("push.services.mozilla.com", "Firefox"),
    ("push.apple.com", "Safari"),
    ("notify.windows.com", "Edge"),
)


def address_of(endpoint: str, key: str, secret: str) -> str:
    """The one form in which a subscription is stored. Raises Invalid, a sentence."""
    parts = urlsplit(endpoint)
    if parts.scheme != "https" or not parts.hostname or parts.username is not None:
        raise Invalid("endpoint: a push service has an https:// address.")
    if _browser(parts.hostname) is None or parts.netloc != parts.hostname:
        raise Invalid("endpoint: the push service of this browser is not known here.")
    if len(endpoint) > LONGEST_ENDPOINT or not endpoint.isascii() or " " in endpoint:
        raise Invalid("endpoint: this is no address of a push service.")
    if len(_bytes(key)) != POINT_BYTES or not _bytes(key).startswith(b"\x04"):
        raise Invalid("p256dh: the browser's key is a point of P-256, in base64url.")
    if len(_bytes(secret)) != AUTH_BYTES:
        raise Invalid("auth: the browser's secret has 16 bytes, in base64url.")
    try:
        _point(key)
    except ValueError:
        raise Invalid("p256dh: the browser's key is no point of P-256.") from None
    return f"{endpoint} {key.rstrip('=')} {secret.rstrip('=')}"


def clean(address: str) -> str:
    """A stored address again. Raises Invalid."""
    parts = address.split(" ")
    if len(parts) != 3:
        raise Invalid("This is no subscription of a browser.")
    return address_of(*parts)


def shown(address: str) -> str:
    """Which browser it is, as far as its push service says so."""
    host = urlsplit(address.split(" ", maxsplit=1)[0]).hostname or ""
    return f"{_browser(host) or host or '?'} · {address[-4:]}"


def _browser(host: str) -> str | None:
    """Whose push service is at this host. Only these are asked: an endpoint comes from a browser, that is, from anybody, and
    one of somebody's own could make all pushes wait by answering with errors."""
    return next((name for end, name in BROWSERS if host == end or host.endswith(f".{end}")), None)


def goes_in_silence(address: str) -> bool:
    """Whether this device may be sent what shows nothing."""
    return _browser(urlsplit(address.split(" ", maxsplit=1)[0]).hostname or "") != STRICT


def _bytes(text: str) -> bytes:
    if not BASE64URL.fullmatch(text.rstrip("=")):
        return b""
    return base64.urlsafe_b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4))


def _point(key: str) -> ec.EllipticCurvePublicKey:
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), _bytes(key))


def _own_key(secret_key: str) -> ec.EllipticCurvePrivateKey:
    """The hub's key: the same in each process and after each start. It changes with the secret key; then what was allowed
    for the old one is refused, and forgotten, and the browser asks for the new one by itself."""
    derive = HKDF(algorithm=hashes.SHA256(), length=48, salt=None, info=b"notification-hub.web-push")
    number = int.from_bytes(derive.derive(secret_key.encode()), "big") % (P256_ORDER - 1) + 1
    return ec.derive_private_key(number, ec.SECP256R1())


def public_key(secret_key: str) -> str:
    """What a browser is told when it subscribes (`applicationServerKey`), in base64url."""
    point = _own_key(secret_key).public_key()
    raw = point.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


class WebPush:
    """Sends to the push services of all browsers. Safe to use from many threads at once: it holds nothing open."""

    name = "push"
    provider = "vapid"
    instant = False

    def __init__(
        self,
        secret_key: str,
        contact: str,
        *,
        instead: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._vapid, self._contact, self._instead = Vapid02(_own_key(secret_key)), contact, instead

    def clean(self, address: str) -> str:
        return clean(address)

    def send(self, message: Message) -> Receipt:
        try:
            endpoint, key, secret = self.clean(message.address).split(" ")
        except Invalid as error:
            raise Unsendable(str(error), "bad_subscription", suppress=True) from error
        answer = self._post(endpoint, key, secret, message, WORDS)
        if answer.status == 413:  # some service takes less than the others
            answer = self._post(endpoint, key, secret, message, FEW_WORDS)
        if failure := trouble(answer):
            raise failure
        match answer.status:
            case 200 | 201 | 202 | 204:
                return Receipt("vapid", answer.headers.get("location", ""), said(answer))
            case 403 if any(words in said(answer).lower() for words in OTHER_KEY):
                raise GiveUp(said(answer), "403", suppress=True)
            case 401 | 403:  # our signature: the clock of this machine, or HUB_BASE_URL
                raise Misconfigured(said(answer), str(answer.status))
            case 404 | 410:
                raise GiveUp(said(answer), str(answer.status), suppress=True)
        raise GiveUp(said(answer), str(answer.status))

    def close(self) -> None:
        """Nothing is open."""

    def _post(self, endpoint: str, key: str, secret: str, message: Message, words: int) -> Answer:
        # a key of its own for each message, by which nobody who has the hub's can read what was sent
        once = ec.generate_private_key(ec.SECP256R1())
        body = http_ece.encrypt(
            written(message, words),
            private_key=once,
            dh=_bytes(key),
            auth_secret=_bytes(secret),
            version="aes128gcm",
        )
        headers = {
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(int(LIFE.get(message.priority, LIFE[""]).total_seconds())),
            "Urgency": URGENCY[message.priority],
            "Topic": tag_of(message),
            **self._signed(endpoint),
        }
        return call(endpoint, body, headers, instead=self._instead, timeout=SECONDS)

    def _signed(self, endpoint: str) -> dict[str, str]:
        parts = urlsplit(endpoint)
        until = int(self._clock()) + TOKEN_LIFE
        claims = {"aud": f"https://{parts.hostname}", "exp": until, "sub": self._contact}
        signed: dict[str, str] = self._vapid.sign(claims)
        return signed


def tag_of(message: Message) -> str:
    """What a later push replaces, on the way and on the device: the same line of the inbox. At most 32 characters (RFC 8030 §5.4)."""
    if len(message.recalls) == 1:
        return message.recalls[0]
    return (message.line or message.idempotency_key).replace("-", "")[:32]


def written(message: Message, words: int) -> bytes:
    """What the service worker gets."""
    note = _recall(message) if message.recalls else _note(message, words)
    return json.dumps(note, ensure_ascii=False, separators=(",", ":")).encode()


def _recall(message: Message) -> dict[str, Any]:
    return {
        "recalls": message.recalls,
        "title": _cut(message.subject, TITLE),
        "body": _cut(message.text, FEW_WORDS),
    }


def _note(message: Message, words: int) -> dict[str, Any]:
    return {
        "title": _cut(message.subject, TITLE),
        "body": _cut(message.text, words),
        "url": message.link or "",
        "tag": tag_of(message),
        "asks": message.asks,
        "urgent": message.priority == "urgent",
    }


def _cut(words: str, most: int) -> str:
    return words if len(words) <= most else f"{words[: most - 1].rsplit(' ', 1)[0]}…"


def _web(settings: Any, url: str) -> Channel:  # noqa: ARG001 - the browser has chosen whom to ask: there is no account
    if not settings.base_url.startswith("https://"):
        raise ValueError("HUB_BASE_URL: begin it with https://; browsers show pushes of no other site")
    return WebPush(settings.secret_key, settings.base_url, instead=settings.outgoing_url)


PUSH = ChannelType(
    name="push",
    title="Push",
    spoken="push",
    text="Shown on a device that you have allowed, even while the hub is closed there.",
    sign="bell",
    place=4,
    told=("urgent", "high", "medium"),
    by_wish=True,
    every=True,
    forgets=True,
    parts={"subject": "title", "text": "text"},
    answers="button",
    shown=shown,
    # At 0, 5 s, 30 s, 2, 10 min. A second one has the same tag and takes the place of the first.
    schedule=Schedule(attempts=5, gaps=gaps(5, 25, 90, 480), max_age=LIFE, ambiguous_retries={"": 2}),
    limits=(Limit("push_an_hour", "push", 100, timedelta(hours=1), "Pushes in an hour"),),
    providers={
        "local": Provider(
            "Kept on this machine and shown on the outbox page.", lambda _settings, _url: Local("push", clean)
        ),
        "vapid": Provider(
            "The push services of browsers, signed with a key of the hub's own. Needs https.", _web
        ),
    },
)
declare(PUSH)
