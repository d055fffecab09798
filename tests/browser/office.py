"""One organisation on a running site, made for one test: its people, what its shop system reports, what became of it.

What is reported enters by signed webhook over HTTP. Slugs, addresses and numbers are its own, so that tests that
share a site do not meet.
"""

from __future__ import annotations

import base64
import hmac
import http.client
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import uuid4

from tests.browser.site import Site, eventually
from tests.builders import Organisation, Person, Source

_numbers = count(1000)
UNSETTLED = """
    SELECT (SELECT count(*) FROM inbound WHERE organisation_id = :org AND state = 'accepted')
         + (SELECT count(*) FROM delivery WHERE organisation_id = :org AND state IN ('queued', 'held', 'sending')
              AND next_attempt_at <= hub_now()) AS n
"""


class Office:
    """`office.person("marco")`, `office.report("R-1", status="approved", technician="marco")`, `office.settle()`."""

    def __init__(self, site: Site, *, name: str = "Evergreen Auto Glass", **look: Any) -> None:
        self.site = site
        self.slug = f"shop-{uuid4().hex[:8]}"
        self.organisation: Organisation = site.build.organisation(
            self.slug, name=name, zone="America/Los_Angeles", branding=look
        )
        self.source: Source = site.build.source(self.organisation, self.slug)
        self.people: dict[str, Person] = {}

    # --- people ----------------------------------------------------------------------------------------------------

    def person(self, key: str, role: str = "technician", **more: Any) -> Person:
        """Somebody who can sign in, with an email address and a telephone unless said otherwise."""
        login = "" if role == "contact" else f"{key}@{self.slug}.example.com"
        usual = {
            "login": login,
            "email": f"{key}@{self.slug}.example.com",
            "sms": f"+1202555{next(_numbers)}",
        }
        made = self.site.build.person(self.organisation, self.source, key, role=role, **{**usual, **more})
        self.people[key] = made
        return made

    def staff(self) -> None:
        """Alice of the office, Marco and Priya on the road, Dana whose windshield it is."""
        self.person("alice", "manager", name="Alice Moreno")
        self.person("marco", name="Marco Reyes")
        self.person("priya", name="Priya Natarajan")
        self.person("dana", "contact", name="Dana Whitfield")

    # --- what the shop's system reports ----------------------------------------------------------------------------

    def report(self, id: str, *, back_door: bool = False, **facts: Any) -> None:
        """A repair as the shop's system knows it now; people are named by their keys. The back door is for when the
        web server is away: another one takes the webhook."""
        people = {role: {"id": facts.pop(role)} for role in ("customer", "technician") if facts.get(role)}
        self.post("repair.upsert", {"id": id, "number": id, **facts, **people}, back_door=back_door)

    def post(self, kind: str, data: Mapping[str, Any], *, back_door: bool = False) -> None:
        """A signed webhook; the hub must accept it."""
        body = json.dumps({"type": kind, "timestamp": datetime.now(UTC).isoformat(), "data": data}).encode()
        headers = {"Content-Type": "application/json", **self._signed(body)}
        path = f"/hooks/{self.slug}"
        if back_door:
            client = self.site.app.test_client(use_cookies=False)
            answer = client.post(path, data=body, headers=headers, buffered=True)
            status, said = answer.status_code, answer.get_data()
        else:
            status, said = self._over_http(path, body, headers)
        assert status == 202, said

    def _over_http(self, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.site.server.port, timeout=30)
        try:
            connection.request("POST", path, body, dict(headers))
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def _signed(self, body: bytes) -> dict[str, str]:
        msg_id, at = f"msg_{uuid4().hex}", str(int(datetime.now(UTC).timestamp()))
        key = base64.b64decode(self.source.secret.removeprefix("whsec_"))
        mac = hmac.digest(key, b".".join((msg_id.encode(), at.encode(), body)), "sha256")
        return {
            "webhook-id": msg_id,
            "webhook-timestamp": at,
            "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
        }

    # --- what became of it -----------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Wait until the worker has done all that is due."""
        eventually(
            lambda: self.site.build.one(UNSETTLED, org=self.organisation.id).n == 0,
            "the worker has nothing to do",
        )

    def item(self, number: str) -> Any:
        """The row of a repair, once it is there."""
        statement = "SELECT * FROM work_item WHERE organisation_id = :org AND number = :number"
        return eventually(
            lambda: next(iter(self.site.build.all(statement, org=self.organisation.id, number=number)), None),
            f"{number} is known",
        )

    def path(self, number: str, page: str = "work") -> str:
        """Where this repair's page is: `work` for the office, `jobs` for its technician."""
        return f"/{page}/{self.item(number).id}"

    def lines(self, key: str) -> list[Any]:
        """The inbox of this person, newest first."""
        statement = (
            "SELECT * FROM notification WHERE person_id = :id AND withdrawn_at IS NULL ORDER BY id DESC"
        )
        return self.site.build.all(statement, id=self.people[key].id)

    def messages(self, key: str, channel: str) -> list[Any]:
        """What was sent to this person by this channel, newest first: rows with `body` and the delivery's `id`."""
        statement = (
            "SELECT d.id, d.state, c.body FROM delivery d JOIN content c ON c.organisation_id = d.organisation_id "
            "AND c.id = d.content_id WHERE d.person_id = :id AND d.channel = :channel ORDER BY d.id DESC"
        )
        return self.site.build.all(statement, id=self.people[key].id, channel=channel)

    def private_link(self, key: str) -> str:
        """The path of the private link that went to this person's telephone last."""
        texts = [row.body["text"] for row in self.messages(key, "sms") if "/l/" in row.body["text"]]
        assert texts, f"{key} has no private link"
        return "/l/" + str(texts[0]).split("/l/")[1].split()[0]

    def tomorrow(self, hours: int = 0) -> str:
        """A time to plan something for, or so many hours after it."""
        return (
            (datetime.now(UTC) + timedelta(days=1, hours=hours))
            .replace(minute=0, second=0, microsecond=0)
            .isoformat()
        )
