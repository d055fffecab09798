"""A program with a key, as it calls the API: JSON in, JSON out, no cookie."""

from __future__ import annotations

from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from notify_app.pipeline.step import step
from notify_app.web.api.access import PATH
from notify_app.work import keys
from notify_app.work.record import COMMAND
from tests.hub import Hub


class Program:
    """What acts for one person of a story; `token` may be replaced by a worse one."""

    def __init__(self, hub: Hub, key: str, name: str = "night report") -> None:
        person = hub.people[key]
        with hub.world.app.app_context(), step(person.organisation_id) as work:
            made = keys.make(work, name, person.id, COMMAND)
        self.id, self.token = made.id, made.token
        self._client: FlaskClient = hub.world.app.test_client(use_cookies=False)

    def get(self, path: str, **query: Any) -> TestResponse:
        """A call that looks; `path` begins behind /api/v1."""
        return self._client.get(f"{PATH}{path}", query_string=query, headers=self._headers())

    def post(self, path: str, body: Any = None, **headers: str) -> TestResponse:
        """A call that changes; names of headers are written with underscores."""
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._client.post(
            f"{PATH}{path}", json={} if body is None else body, headers=self._headers() | more
        )

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}
