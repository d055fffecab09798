"""Looking ahead: while one chunk of a broadcast is written, a thread of its own asks who the next one is for.

That is a tenth of a chunk's time, on another connection. An answer is used by whoever goes on at exactly that place, and
is thrown away otherwise; without one the chunk asks by itself. It is never older than the writing of one chunk.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from flask import Flask, current_app
from sqlalchemy.exc import SQLAlchemyError

from notify_app.pipeline import chunk
from notify_app.pipeline.step import step

__all__ = ["Ahead", "looking_ahead"]

log = logging.getLogger(__name__)


class Ahead:
    """One question at a time, and its answer."""

    def __init__(self, pool: ThreadPoolExecutor, app: Flask) -> None:
        self._pool, self._app = pool, app
        self._asked: tuple[UUID, UUID | None, Future[chunk.People | None]] | None = None

    def ask(self, broadcast: Any, category: str, after: UUID, size: int) -> None:
        """Find out who comes next in this broadcast after that person."""
        asked = self._pool.submit(self._look, broadcast, category, after, size)
        self._asked = broadcast.event_id, after, asked

    def answer(self, broadcast: Any) -> chunk.People | None:
        """Who is next, if that is what was asked for last and nothing went wrong."""
        asked, self._asked = self._asked, None
        if asked is None or asked[:2] != (broadcast.event_id, broadcast.cursor):
            return None
        try:
            return asked[2].result()
        except SQLAlchemyError as error:
            log.warning("not looked ahead: %s", type(error).__name__)
            return None

    def _look(self, broadcast: Any, category: str, after: UUID, size: int) -> chunk.People | None:
        with self._app.app_context(), step(broadcast.organisation_id) as work:
            return chunk.look(work, broadcast, category, after, size)


@contextmanager
def looking_ahead() -> Iterator[Ahead]:
    """The thread ends with the block. Needs an application context."""
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as pool:
        yield Ahead(pool, current_app._get_current_object())  # type: ignore[attr-defined]
