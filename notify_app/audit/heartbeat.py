"""The heartbeat: an address outside is called once a minute while the last look found nothing of the hub's own.

Whoever watches there learns of what the hub itself cannot tell any more: that it is down, or that nobody looks. Only
workers send it, one of them at a time, in a thread of its own with no transaction open: an address that does not answer
holds up nothing.
"""

from __future__ import annotations

import http.client
import logging
import threading
from collections.abc import Callable

import psycopg

from notify_app.audit import sql
from notify_app.audit.look import Connection, connect
from notify_app.outgoing import Inside, get

__all__ = ["Heartbeat"]

log = logging.getLogger(__name__)

GOOD = range(200, 300)


class Heartbeat:
    """Called by the auditor's thread of a worker (`watch.Watch`)."""

    def __init__(self, url: str, database_url: str, call: Callable[[str], int] = get) -> None:
        self._url = url
        self._database_url = database_url
        self._call = call
        self._sending: threading.Thread | None = None

    def __call__(self, conn: Connection) -> None:
        """Send it, if it is time and nothing is wrong."""
        if self._sending and self._sending.is_alive():
            return
        if conn.execute(sql.MAY_PING).fetchone() is None:
            return
        self._sending = threading.Thread(target=self.send, name="heartbeat", daemon=True)
        self._sending.start()

    def send(self) -> None:
        """Call the address and note what went wrong, if anything did."""
        problem = self._problem()
        if problem:
            log.warning("the heartbeat was not taken: %s", problem)
        try:
            with connect(self._database_url) as conn:
                conn.execute(sql.PINGED, {"error": problem})
        except psycopg.Error as error:
            log.warning("the heartbeat's end was not noted (%s)", type(error).__name__)

    def _problem(self) -> str | None:
        try:
            status = self._call(self._url)
        except Inside:
            return "the address is inside this network"
        except (OSError, ValueError, http.client.HTTPException) as error:
            return type(error).__name__
        return None if status in GOOD else f"answered {status}"
