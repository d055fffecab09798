"""Who may call what: a table of every route by every kind of visitor, generated against the URL map.

A route that is not in the table fails. What belongs to another organisation is answered exactly like what does not
exist, and nothing is written by any refused call.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask

from notify_app.secrets import Secrets
from tests.conftest import SECRET_KEY
from tests.pages import Browser, Page
from tests.web.conftest import Shop

pytestmark = pytest.mark.proves("C5", "F4", "S1")

# endpoint → who gets in: a = the office's Alice, b = the technician Bob on the item, t = Tess who is not on it,
# d = Ada, an administrator
INSIDE = {
    "alert.acknowledge": "abd",
    "branding.preview": "d",
    "branding.save": "d",
    "branding.show": "ad",
    "compose.frame": "",  # only what was sealed for the viewer opens; see test_compose
    "compose.show": "abtd",
    "channel_order.move": "abtd",
    "compose.write": "abtd",
    "cover.remove": "abd",
    "cover.save": "abtd",
    "cover.show": "abtd",
    "dashboard.show": "ad",
    "endpoints.make": "d",
    "endpoints.new": "d",
    "endpoints.one": "d",
    "endpoints.pause": "d",
    "endpoints.remove": "d",
    "endpoints.resume": "d",
    "endpoints.rotate": "d",
    "endpoints.save": "d",
    "endpoints.show": "d",
    "endpoints.test": "d",
    "home.show": "abtd",
    "dead_letters.again": "d",
    "dead_letters.send_again": "d",
    "dead_letters.show": "ad",
    "deliveries.export": "ad",
    "deliveries.hasten": "ad",
    "deliveries.one": "ad",
    "deliveries.send_again": "d",
    "deliveries.show": "ad",
    "inbox.read": "b",
    "inbox.read_all": "abtd",
    "inbox.show": "abtd",
    "inbox.unread": "b",
    "invited.decide": "",  # only who is invited: see test_invitations
    "invited.show": "abtd",
    "item.act": "ad",
    "item.act_on_job": "b",
    "item.act_on_mine": "",
    "item.job": "b",
    "item.show": "ad",
    "notification.show": "abd",
    "organisation.choose": "abtd",
    "outbox.frame": "ad",
    "outbox.show": "ad",
    "people.add": "d",
    "people.add_address": "d",
    "people.change": "d",
    "people.invite": "d",
    "people.left": "d",
    "people.new": "d",
    "people.person": "ad",
    "people.remove_address": "d",
    "people.show": "ad",
    "preferences.add_address": "abtd",
    "preferences.connect_telegram": "abtd",
    "providers.show": "ad",
    "providers.try_now": "d",
    "push.acknowledge": "b",  # who was told of it
    "push.add": "",  # here messages stay on the machine
    "push.pretend": "abtd",
    "push.remove": "abtd",
    "push.state": "abtd",
    "item.mine": "",
    "keys.make": "d",  # for administrators: tests/web/api/test_keys.py
    "keys.revoke": "",
    "keys.show": "d",
    "new_item.make": "abtd",
    "new_item.show": "abtd",
    "preferences.move_address": "b",
    "preferences.remove_address": "b",
    "preferences.save": "abtd",
    "preferences.save_digest": "abtd",
    "preferences.save_quiet": "abtd",
    "preferences.show": "abtd",
    "preferences.test": "abtd",
    "record.show": "d",
    "rollcall.again": "d",
    "rollcall.answer": "b",
    "rollcall.call": "ad",
    "rollcall.show": "ad",
    "rules.edit": "ad",
    "rules.make": "d",
    "rules.new": "d",
    "rules.remove": "d",
    "rules.save": "d",
    "rules.save_hours": "d",
    "rules.show": "ad",
    "rules.switch": "d",
    "running.show": "ad",
    "sent.cancel": "ad",
    "sent.message": "ad",
    "sent.show": "abtd",
    "spend.export": "ad",
    "spend.save": "d",
    "spend.show": "ad",
    "stream.show": "abtd",
    "stream.state": "abtd",
    "suppressed.one": "ad",
    "suppressed.release": "ad",
    "suppressed.show": "ad",
    "switches.save": "d",
    "verification.mine": "b",
    "verification.theirs": "d",
    "switches.save_limits": "d",
    "switches.show": "d",
    "tasks.acknowledge": "abd",
    "templates.edit": "ad",
    "templates.frame": "",  # each preview is its writer's own (tests/web/test_templates.py)
    "templates.preview": "d",
    "templates.restore": "d",
    "templates.save": "d",
    "templates.show": "ad",
    "templates.test": "d",
    "templates.versions": "ad",
    "work.decide": "ad",
    "work.show": "abtd",
}
# not for a session: machines, programs with a key (tests/web/api/), the door itself, private links, what everybody may see
OUTSIDE = {
    "api_events.why",
    "api_happenings.report",
    "api_items.act",
    "api_items.create",
    "api_items.history",
    "api_items.index",
    "api_items.show",
    "api_notifications.acknowledge",
    "api_notifications.index",
    "api_notifications.read",
    "api_notifications.unread",
    "api_people.index",
    "health.show",
    "hooks.receive",
    "hooks.receive_batch",
    "link.act",
    "link.show",
    "openapi.show",
    "push.worker",
    "unsubscribe.act",  # by the stamp in its address: tests/stories/test_unsubscribe.py
    "unsubscribe.show",
    "receipts.sms",  # of SNS, by its signature: tests/stories/test_feedback.py
    "receipts.sns",
    "telegram.take",  # of Telegram, by its secret: tests/stories/test_telegram.py
    "sign_in.enter",
    "sign_in.leave",
    "sign_in.show",
    "static",
    "theme.save",
    "verification.follow",  # whoever has the link: tests/stories/test_verified_addresses.py
    "verification.show",
    "welcome.accept",
    "welcome.show",
}
LETTERS = "abtd"


@pytest.fixture
def scene(shop: Shop) -> dict[str, UUID]:
    """Something of everything in the first organisation: an item, a line of Bob's, an address, a mail."""
    shop.hub.over("local")
    repair = shop.hub.repair("R-1", customer="dana", technician="bob").approved()
    line = shop.line("bob", "repair_approved")
    build = shop.hub.build
    bob = shop.hub.people["bob"].id
    address = build.all("SELECT id FROM address WHERE person_id = :person AND channel = 'email'", person=bob)[
        0
    ].id
    mail = build.all("SELECT id FROM delivery WHERE person_id = :person AND channel = 'email'", person=bob)[
        0
    ].id
    shop.hub.post(
        "emergency.raised",
        {"alert_message": "Fire", "location": "Bay 2", "recipients": [{"id": "bob"}, {"id": "tess"}]},
    )
    alarm = shop.line("bob", "emergency_alert")
    written = schedule(shop)
    rule, absence, closed = uuid4(), uuid4(), uuid4()
    build.insert(
        "suppression",
        organisation_id=shop.hub.organisation.id,
        id=closed,
        channel="email",
        value="gone@example.com",
        reason="mail to it comes back",
        kind="bounce",
    )
    typed = uuid4()
    build.insert(
        "unverified_address",
        organisation_id=shop.hub.organisation.id,
        id=typed,
        person_id=bob,
        channel="sms",
        value="+12025550155",
    )
    build.insert(
        "absence",
        organisation_id=shop.hub.organisation.id,
        id=absence,
        person_id=bob,
        starts_at=shop.hub.now(),
        ends_at=shop.hub.now() + timedelta(days=1),
    )
    build.insert(
        "escalation_rule",
        organisation_id=shop.hub.organisation.id,
        id=rule,
        ladder=json.dumps({"levels": [{"after": 60, "tell": ["office"]}]}),
    )
    shop.hub.build.template(shop.hub.organisation, "repair_approved")
    build.insert(
        "template_version",
        organisation_id=shop.hub.organisation.id,
        event="repair_approved",
        locale="en",
        version=1,
        active=True,
        requires=[],
        who="command",
    )
    there = uuid4()
    build.insert(
        "endpoint",
        organisation_id=shop.hub.organisation.id,
        id=there,
        name="Night desk",
        format="standard",
        host="there.example.com",
        url=Secrets(SECRET_KEY).seal("https://there.example.com/", f"endpoint:{there}:url"),
        secret=Secrets(SECRET_KEY).seal("whsec_" + "A" * 44, f"endpoint:{there}:secret"),
    )
    shop.hub.post("permit.upsert", {"id": "P-1", "status": "submitted", "verifier": {"id": "bob"}})
    return {
        "item": repair.item_id,
        "inbox": line.id,
        "preferences": address,
        "outbox": mail,
        "deliveries": mail,
        "alert": line.event_id,
        "push.acknowledge": line.event_id,
        "notification": line.id,
        "people": bob,
        "rollcall": alarm.event_id,
        "rollcall.answer": alarm.id,
        "sent": written,
        "rules": rule,
        "cover": absence,
        "verification.mine": typed,
        "verification.theirs": bob,
        "unverified": typed,
        "suppressed": closed,
        "endpoints": there,
        "tasks": build.one("SELECT id FROM task WHERE name = 'permit_verification'").id,
    }


def schedule(shop: Shop) -> UUID:
    """Alice has written something for next week."""
    build, written = shop.hub.build, uuid4()
    build.insert(
        "written_message",
        organisation_id=shop.hub.organisation.id,
        id=written,
        form_key="k",
        author_id=shop.hub.people["alice"].id,
        event="manual_message",
        facts=json.dumps({"message": "Bring the ladder."}),
        audience=["role:technician"],
        due_at=shop.hub.now() + timedelta(days=7),
    )
    return written


def test_every_route_stands_in_the_table(app: Flask) -> None:
    assert {rule.endpoint for rule in app.url_map.iter_rules()} == set(INSIDE) | OUTSIDE


def calls(app: Flask, ids: dict[str, UUID]) -> list[tuple[str, str, str]]:
    """(endpoint, method, path) of every route that needs a session, with these ids in its place."""
    found = []
    for rule in app.url_map.iter_rules():
        if rule.endpoint in OUTSIDE:
            continue
        room = rule.endpoint.partition(".")[0]
        found_id = ids.get(rule.endpoint, ids.get(room, uuid4()))
        values = {
            "id": found_id,
            "address": ids.get("unverified", uuid4()),
            "action": "start",
            "kind": "permit" if room == "new_item" else "visitor.arrived",
            "event": "repair_approved",
        }
        with app.test_request_context():
            from flask import url_for

            path = url_for(rule.endpoint, **{name: values[name] for name in rule.arguments})
        found += [
            (rule.endpoint, method, path) for method in sorted((rule.methods or set()) & {"GET", "POST"})
        ]
    return sorted(found, key=lambda one: "remove" in one[0])  # what is removed cannot be moved any more


def call(browser: Browser, method: str, path: str, **fields: Any) -> Page:
    if method == "POST":
        token = browser.get("/preferences").form("/preferences").fields.get("csrf_token", [""])
        return browser.post(path, csrf_token=token if isinstance(token, str) else token[0], **fields)
    if path == "/stream":
        with browser.client.get(path, base_url=browser.site, buffered=False) as response:
            return Page(response.status_code, "", "", response.headers)
    return browser.get(path, follow=False)


def everything(shop: Shop) -> str:
    """A hash of all rows of the first organisation, sessions aside."""
    rows: dict[str, list[str]] = {}
    for table in (
        "work_item",
        "item_person",
        "task",
        "reminder",
        "change",
        "event",
        "notification",
        "delivery",
        "address",
        "unverified_address",
        "suppression",
        "feedback",
        "reply_code",
        "preference_choice",
        "preference",
        "person",
        "inbox_counter",
        "written_message",
        "answer",
        "absence",
        "escalation_rule",
        "escalation",
        "task_acknowledgement",
        "audit",
        "invitation",
        "template",
        "template_version",
        "endpoint",
    ):
        found = shop.hub.build.all(
            f"SELECT * FROM {table} WHERE organisation_id = :org", org=shop.hub.organisation.id
        )
        rows[table] = sorted(str(tuple(row)) for row in found)
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()


def test_nobody_gets_in_without_signing_in(app: Flask, shop: Shop, scene: dict[str, UUID]) -> None:
    before, stranger = everything(shop), shop.hub.stranger()
    for endpoint, method, path in calls(app, scene):
        answer = stranger.get(path, follow=False) if method == "GET" else stranger.post(path)
        led_to_the_door = answer.status == 303 and "/sign-in" in answer.location
        assert led_to_the_door or answer.status in (400, 401), (endpoint, answer.status)
    assert everything(shop) == before


@pytest.mark.parametrize("letter", LETTERS)
def test_each_role_gets_in_where_the_table_says_and_nowhere_else(
    app: Flask, shop: Shop, scene: dict[str, UUID], letter: str
) -> None:
    if letter == "d":
        shop.hub.person("ada", "administrator", name="Ada Quist")
    who = shop.hub.browser({"a": "alice", "b": "bob", "t": "tess", "d": "ada"}[letter])
    for endpoint, method, path in calls(app, scene):
        fields = {
            "channel": "email",
            "organisation": shop.hub.organisation.id,
            "address": scene["preferences"],
            "version": 1,
        }
        fields = fields if method == "POST" else {}
        answer = call(who, method, path, **fields)
        inside = answer.status not in (401, 403, 404)
        assert inside == (letter in INSIDE[endpoint]), (endpoint, method, answer.status)


def test_another_organisation_finds_exactly_what_does_not_exist(
    app: Flask, shop: Shop, scene: dict[str, UUID]
) -> None:
    before = everything(shop)
    for who in (shop.charlie, shop.cleo):
        for endpoint, method, path in calls(app, scene):
            if not any(str(one) in path for one in scene.values()):
                continue
            missing = path
            for one in scene.values():
                missing = missing.replace(str(one), str(uuid4()))
            theirs, nothing = call(who, method, path), call(who, method, missing)
            assert theirs.status == nothing.status, (endpoint, theirs.status, nothing.status)
            assert theirs.status in (403, 404), (endpoint, theirs.status)
            assert plain(theirs.html, path) == plain(nothing.html, missing), endpoint
    assert everything(shop) == before


def plain(html: str, path: str) -> str:
    """A page without what differs from request to request."""
    kept = [line for line in html.splitlines() if "csrf" not in line and path not in line]
    return "\n".join(kept)


def test_lists_show_nothing_of_another_organisation(shop: Shop, scene: dict[str, UUID]) -> None:
    for path in ("/dashboard", "/work", "/inbox?show=all", "/outbox", "/preferences"):
        text = shop.charlie.get(path).html
        for word in ("R-1", "Bob Marsh", "Dana Whitfield", str(scene["item"])):
            assert word not in text, (path, word)


def test_ids_of_another_organisation_are_refused_in_every_field(shop: Shop, scene: dict[str, UUID]) -> None:
    before = everything(shop)
    charlie = shop.charlie
    for path, fields in (
        ("/work/decide", {"item": str(scene["item"]), "decision": "approve"}),
        ("/organisation", {"organisation": str(shop.hub.organisation.id)}),
    ):
        assert call(charlie, "POST", path, **fields).status in (303, 400, 404, 409, 422), path
    assert "R-1" not in charlie.get("/work").html
    assert everything(shop) == before


def test_every_form_refuses_a_missing_and_a_foreign_token(
    app: Flask, shop: Shop, scene: dict[str, UUID]
) -> None:
    app.config["WTF_CSRF_ENABLED"] = True
    before = everything(shop)
    foreign = shop.tess.get("/preferences").form("/preferences").fields["csrf_token"]
    token: Callable[[Any], str] = lambda value: value if isinstance(value, str) else value[0]  # noqa: E731
    for endpoint, method, path in calls(app, scene):
        if method == "POST":
            assert shop.alice.post(path).status == 400, endpoint
            assert shop.alice.post(path, csrf_token=token(foreign)).status == 400, endpoint
    assert everything(shop) == before
