"""A browser's side of web push: its keys, and the reading of what was sent to it (RFC 8291)."""

from __future__ import annotations

import base64
import json
from typing import Any

import http_ece
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

__all__ = ["Device"]


class Device:
    """One browser, whose endpoint has this name."""

    def __init__(self, name: str, host: str = "fcm.googleapis.com") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._secret = name.encode().ljust(16, b".")[:16]
        self.endpoint = f"https://{host}/send/{name}"

    @property
    def keys(self) -> dict[str, str]:
        """What `PushSubscription.toJSON().keys` holds."""
        point = self._key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        coded = {"p256dh": point, "auth": self._secret}
        return {name: base64.urlsafe_b64encode(raw).decode().rstrip("=") for name, raw in coded.items()}

    @property
    def address(self) -> str:
        return f"{self.endpoint} {self.keys['p256dh']} {self.keys['auth']}"

    @property
    def form(self) -> dict[str, str]:
        return {"endpoint": self.endpoint, **self.keys}

    def reads(self, body: bytes) -> dict[str, Any]:
        """What was sent to it. Raises http_ece.ECEException when it was sent to another one."""
        plain = http_ece.decrypt(body, private_key=self._key, auth_secret=self._secret, version="aes128gcm")
        note: dict[str, Any] = json.loads(plain)
        return note
