"""The certificates with which SNS signs, asked for once and kept: few, for there are few, and not for ever.

Only addresses that `channels.sns_message` has found to be SNS's own come here. One that does not answer is left alone for
a minute, so that nobody can make us ask again and again.
"""

from __future__ import annotations

import http.client
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

from cryptography.x509 import Certificate

from notify_app import outgoing
from notify_app.channels.sns_message import certificate
from notify_app.errors import Unavailable

__all__ = ["Certificates"]

MOST = 16
KEPT_SECONDS = 24 * 3600.0
FAILED_SECONDS = 60.0
LARGEST = 32 * 1024
OK = 200
Value = TypeVar("Value")
Read = Callable[[str], tuple[int, bytes]]


class Certificates:
    """Of one process. `read` asks an address."""

    def __init__(self, read: Read, clock: Callable[[], float] = time.monotonic) -> None:
        self._read, self._clock = read, clock
        self._known: OrderedDict[str, tuple[float, Certificate]] = OrderedDict()
        self._failed: OrderedDict[str, float] = OrderedDict()
        self._asking = threading.Lock()

    @classmethod
    def from_outside(cls, instead: str) -> Certificates:
        """Asks SNS, or the address that whoever runs the hub has named instead."""
        return cls(lambda url: outgoing.read(url, most=LARGEST, instead=instead))

    def at(self, url: str) -> Certificate:
        """The certificate at this address. Raises Unavailable while it cannot be had."""
        found = self._kept(url)
        if found is not None:
            return found
        with self._asking:
            found = self._kept(url)  # somebody else has just asked
            return found if found is not None else self._asked(url)

    def _kept(self, url: str) -> Certificate | None:
        known = self._known.get(url)
        return known[1] if known and self._clock() - known[0] < KEPT_SECONDS else None

    def _asked(self, url: str) -> Certificate:
        if self._clock() - self._failed.get(url, -FAILED_SECONDS) < FAILED_SECONDS:
            raise Unavailable("The certificate of SNS cannot be had at the moment. Send it again.")
        try:
            status, body = self._read(url)
            if status != OK:
                raise ValueError(f"answered {status}")
            found = certificate(body)
        except (OSError, ValueError, http.client.HTTPException, outgoing.Inside, outgoing.TooMuch) as error:
            _keep(self._failed, url, self._clock())
            raise Unavailable("The certificate of SNS cannot be had at the moment. Send it again.") from error
        self._failed.pop(url, None)
        _keep(self._known, url, (self._clock(), found))
        return found


def _keep(kept: OrderedDict[str, Value], url: str, value: Value) -> None:
    """The newest; the oldest goes."""
    kept[url] = value
    kept.move_to_end(url)
    while len(kept) > MOST:
        kept.popitem(last=False)
