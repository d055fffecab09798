"""Secrets at rest and in links: webhook secrets encrypted (AES-256-GCM), links signed, cookies' tokens hashed.

All keys are derived from `HUB_SECRET_KEY`, each for one purpose, so that none is good for another.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from datetime import timedelta

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["LINK_LIFE", "Secrets"]

NONCE_BYTES = 12  # NIST SP 800-38D
# 96 random bits that nobody guesses, 48 that keep guesses away from the database
TOKEN_BYTES, TAG_BYTES = 12, 6
MARK_BYTES = 16
LINK_LIFE = timedelta(days=30)


class Secrets:
    """What is derived from one secret key."""

    def __init__(self, secret_key: str) -> None:
        self._root = secret_key.encode()
        self._seal = AESGCM(self._key(b"seal"))
        self._stamps: dict[str, bytes] = {}

    def _key(self, purpose: bytes) -> bytes:
        return hmac.digest(self._root, b"notification-hub." + purpose, "sha256")

    def seal(self, plain: str, about: str) -> bytes:
        """Encrypt `plain`; `about` (the row it belongs to) must be given again to open it."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._seal.encrypt(nonce, plain.encode(), about.encode())

    def open(self, sealed: bytes, about: str) -> str:
        """Raises ValueError when the key is another one or the bytes belong elsewhere."""
        try:
            return self._seal.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], about.encode()).decode()
        except InvalidTag:
            raise ValueError("a stored secret cannot be opened with this HUB_SECRET_KEY") from None

    def new_link(self) -> str:
        """A signed token for the address of a link: 24 characters, so that an SMS keeps room for words."""
        body = os.urandom(TOKEN_BYTES)
        return base64.urlsafe_b64encode(body + self._tag(body)).decode()

    def is_link(self, token: str) -> bool:
        """Whether the token was made here; what it opens, and until when, its row says."""
        try:
            raw = base64.b64decode(token, altchars=b"-_", validate=True)
        except ValueError:
            return False
        body, tag = raw[:TOKEN_BYTES], raw[TOKEN_BYTES:]
        return hmac.compare_digest(tag, self._tag(body))

    def code_hash(self, code: str, about: str) -> bytes:
        """What is stored of a short code for this row: whoever reads it there cannot find the code by trying all."""
        return hmac.digest(self._key(b"codes"), f"{about}/{code}".encode(), "sha256")

    def _tag(self, body: bytes) -> bytes:
        return hmac.digest(self._key(b"links"), body, "sha256")[:TAG_BYTES]

    def stamp(self, purpose: str, text: str) -> str:
        """The text itself, with a mark that only we can make: for an address that has to work for years, with no row
        behind it."""
        body = text.encode()
        return base64.urlsafe_b64encode(body + self._mark(purpose, body)).decode().rstrip("=")

    def stamped(self, purpose: str, token: str) -> str:
        """The text of a stamp. Raises ValueError when it was not made here, for this purpose."""
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        body, mark = raw[:-MARK_BYTES], raw[-MARK_BYTES:]
        if not hmac.compare_digest(mark, self._mark(purpose, body)):
            raise ValueError("the stamp is not ours")
        return body.decode()

    def _mark(self, purpose: str, body: bytes) -> bytes:
        # keyed BLAKE2b is a MAC by itself (RFC 7693), and is made for each email: OpenSSL's HMAC lets go of the interpreter
        # each time, and gets it back when another thread has had its turn
        key = self._stamps.get(purpose)
        if key is None:
            key = self._stamps[purpose] = self._key(b"stamp." + purpose.encode())
        return hashlib.blake2b(body, key=key, digest_size=MARK_BYTES).digest()

    def shared(self, purpose: str) -> str:
        """A secret that another system is given, to show it each time that it calls: 43 characters."""
        return base64.urlsafe_b64encode(self._key(b"shared." + purpose.encode())).decode().rstrip("=")

    @staticmethod
    def hash_token(token: str) -> bytes:
        """What is stored of a random token; it has enough entropy to need no salt."""
        return hashlib.sha256(token.encode()).digest()
