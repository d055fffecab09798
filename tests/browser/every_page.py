"""An office with something on every page, and the list of the pages."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from playwright.sync_api import Page

from notify_app.pipeline.step import step
from notify_app.secrets import Secrets
from notify_app.sweeps import collect, scheduled
from notify_app.work import chats, devices, templates, unsubscribing, verification, wishes
from notify_app.work.record import COMMAND
from tests.browser.office import Office
from tests.browser.site import Site

NEW_MAIL = "priya.new@example.com"
USUAL = {
    "vehicle": "2021 Subaru Outback",
    "damage": "chip, driver's side",
    "location": "418 Alder Street, Bellingham",
    "reason": "The customer will claim on insurance first.",
    "reward": "Free wiper blades",
    "redeemed_by": "Dana Whitfield",
    "work": "Replace the pump of boiler 2",
    "notes": "Old pump is out, the new one fits.",
    "issues": "The shut-off valve leaks.",
    "point": "Breaker MDP-2/14",
    "resource": "Studio 3",
    "problem": "No hot water",
    "alarm": "Fire alarm",
    "message": "The keys for Harbor House are at the front desk, ask for Ruth.",
}


def own_words(office: Office) -> None:
    """Two versions of the office's own words for a message, the second of which cannot be used."""
    words = {
        "subject": "Hooray, {{ item.vehicle }}!",
        "email_text": "We began.\nWe call you when it is done.",
    }
    with office.site.app.app_context(), step(office.organisation.id) as work:
        templates.put(work, "repair_in_progress", words, COMMAND)
        changed = {"email_text": "We began.\nYou hear from us today.", "sms": "{{ item.prize }} for you"}
        templates.put(work, "repair_in_progress", changed, COMMAND)


def chat(office: Office) -> None:
    """Marco has messages in Telegram, and a device that shows pushes."""
    with office.site.app.app_context(), step(office.organisation.id) as work:
        chats.pretend(work, office.people["marco"].id)
        work.run(
            "INSERT INTO address (organisation_id, person_id, channel, value) VALUES (:org, :me, 'push', :value)",
            me=office.people["marco"].id,
            value=devices.pretend(office.people["marco"].id),
        )


def unverified(office: Office) -> None:
    """Priya has typed a mail address and a number, and verified neither."""
    with office.site.app.app_context(), step(office.organisation.id) as work:
        for channel, value in (("email", NEW_MAIL), ("sms", "+12025550142")):
            verification.begin(work, office.people["priya"].id, channel, value, COMMAND)


def furnished(site: Site) -> Office:
    """An office with something on every page. Nora is somebody whom nothing has been told yet."""
    made = Office(site)
    made.staff()
    made.person("nora", "contact", name="Nora Bell", login=f"nora@{made.slug}.example.com")
    furnish(made)
    return made


def furnish(office: Office, words: dict[str, str] | None = None) -> None:
    """Repairs in every state, told to everybody, partly read, one alert, one reward, one emergency, what the office has
    written; `words` replace the usual ones."""
    said = USUAL | (words or {})
    office.person("ada", "administrator", name="Ada Quist", grade="A")
    rule_of_permits(office)
    endpoints(office)
    own_words(office)
    absence(office)
    chat(office)
    who = [{"id": key} for key in ("marco", "priya", "dana")]
    office.post(
        "emergency.raised", {"alert_message": said["alarm"], "location": said["alarm"], "recipients": who}
    )
    office.settle()
    facts = {name: said[name] for name in ("vehicle", "damage", "location")}
    facts |= {"price": "149.50", "scheduled_at": office.tomorrow()}
    known = {**facts, "customer": "dana", "technician": "marco"}
    office.report("R-1", status="pending", **known)
    office.report("R-1", status="approved")
    office.report("R-1", status="in_progress")
    office.report("R-1", technician="priya")
    office.report("R-2", status="pending", **facts, customer="dana")
    office.report("R-3", status="pending", **known)
    office.report("R-4", status="approved", **facts, customer="dana")
    office.report("R-5", status="denied", reason=said["reason"], **known)
    office.report("R-6", status="completed", **known)
    office.post(
        "reward.redeemed",
        {
            "technician": {"id": "marco"},
            "reward": said["reward"],
            "points": 1200,
            "redeemed_by": said["redeemed_by"],
            "redeemed_at": office.tomorrow(),
        },
    )
    other_work(office, said)
    watched(office)
    write(office, said, ["role:technician"], timedelta(minutes=-1))
    write(office, said, ["everyone", f"person:{office.people['dana'].id}"], timedelta(days=3))
    with office.site.app.app_context():
        scheduled.run(datetime.now(UTC))
    office.settle()
    invite(office)
    closed_addresses(office)
    change(office, said)
    together(office, said)
    spend(office)
    refused(office)
    unverified(office)
    office.settle()
    adam = office.person("adam", "administrator", name="Adam Berg")
    for number, name in enumerate(("Night report", said["reward"])):
        office.site.build.insert(
            "api_key",
            organisation_id=office.organisation.id,
            person_id=adam.id,
            name=name,
            hint=f"x_{number}-",
            token_hash=uuid4().bytes,
            created_by=adam.id,
        )


def endpoints(office: Office) -> None:
    """One that works and is told of rewards, one that does not work, one that the hub has switched off."""
    now = datetime.now(UTC)
    kinds: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
        ("Night desk", "standard", "desk.example.com", {"categories": ["reward"], "good_at": now}),
        (
            "#repairs",
            "slack",
            "hooks.slack.com",
            {
                "categories": ["bill"],
                "good_at": now - timedelta(days=2),
                "failing_since": now - timedelta(days=1),
                "failed_at": now - timedelta(minutes=4),
                "failed_why": "It could not take the message (503 upstream connect error or disconnect/reset before headers).",
            },
        ),
        (
            "Facilities",
            "teams",
            "prod-12.westeurope.logic.azure.com",
            {
                "disabled_at": now - timedelta(hours=9),
                "disabled_why": "failing",
                "failing_since": now - timedelta(days=5, hours=9),
                "failed_at": now - timedelta(hours=9),
                "failed_why": "Nobody was there: [Errno 111] Connection refused",
            },
        ),
    )
    for name, reader, host, more in kinds:
        made = uuid4()
        seal = Secrets(office.site.app.extensions["hub"].secret_key).seal
        office.site.build.insert(
            "endpoint",
            organisation_id=office.organisation.id,
            id=made,
            name=name,
            format=reader,
            host=host,
            url=seal(f"https://{host}/in", f"endpoint:{made}:url"),
            secret=seal("whsec_" + "A" * 44, f"endpoint:{made}:secret") if reader == "standard" else None,
            created_by=office.people["ada"].id,
            **more,
        )


def endpoint(name: str) -> Callable[[Office], str]:
    """The page of the endpoint of this name."""

    def find(office: Office) -> str:
        statement = "SELECT id FROM endpoint WHERE organisation_id = :org AND name = :name"
        return f"/endpoints/{office.site.build.one(statement, org=office.organisation.id, name=name).id}"

    return find


def posted(office: Office) -> str:
    """The outbox with the newest message to an endpoint."""
    statement = "SELECT id FROM delivery WHERE organisation_id = :org AND channel = 'endpoint' ORDER BY id DESC LIMIT 1"
    return f"/outbox?message={office.site.build.one(statement, org=office.organisation.id).id}"


def closed_addresses(office: Office) -> None:
    """Of somebody whose mail comes back, who has complained, and who wants no SMS; of Marco, who sees it himself."""
    cora = office.person("cora", "contact", name="Cora Lindqvist")
    build, organisation = office.site.build, office.organisation.id
    closed = (
        ("email", "cora.lindqvist@example.com", "complaint", "a message to it was reported as spam"),
        ("email", "cora@example.com", "bounce", "mail to it comes back"),
        ("sms", "+12025550177", "opt_out", "they answered STOP"),
    )
    for channel, value, kind, why in closed:
        build.address(cora, channel, value)
        build.insert(
            "suppression", organisation_id=organisation, channel=channel, value=value, kind=kind, reason=why
        )
    build.address(office.people["marco"], "email", "cora@example.com", position=5)
    for number, heard in enumerate(("complaint", "soft_bounce", "delayed")):
        build.insert(
            "feedback",
            organisation_id=organisation,
            channel="email",
            address=closed[0][1],
            heard=heard,
            provider="ses",
            detail="" if heard == "complaint" else "smtp; 452 4.2.2 The mailbox of this recipient is full",
            created_at=datetime.now(UTC) - timedelta(days=number),
        )


def closed_address(kind: str) -> Callable[[Office], str]:
    """The page of the address that is closed for this."""

    def find(office: Office) -> str:
        row = office.site.build.one(
            "SELECT id FROM suppression WHERE organisation_id = :org AND kind = :kind",
            org=office.organisation.id,
            kind=kind,
        )
        return f"/suppressed/{row.id}"

    return find


def rule_of_permits(office: Office) -> None:
    """The office escalates, by a rule of its own for permits."""
    build, org = office.site.build, office.organisation.id
    build.run(
        "UPDATE organisation SET settings = settings || '{\"escalations_on\": true}' WHERE id = :org", org=org
    )
    levels = [
        {"after": 30, "tell": ["assignee"], "repeat": 60},
        {
            "after": 90,
            "tell": ["grade:A", f"person:{office.people['alice'].id}"],
            "says": "escalated",
            "needs": 2,
        },
        {"after": 1440, "tell": ["office"], "says": "escalated", "priority": 1},
    ]
    build.insert(
        "escalation_rule",
        organisation_id=org,
        kind="permit",
        ladder=json.dumps({"levels": levels, "clock": "working", "lapses": 240}),
        updated_by=office.people["ada"].id,
    )


def absence(office: Office) -> None:
    """Ada, the only one of grade A, is away over the weekend; Marco is, and Priya stands in for him."""
    now = datetime.now(UTC)
    for who, other, begin in (("ada", None, 20), ("marco", "priya", 72)):
        office.site.build.insert(
            "absence",
            organisation_id=office.organisation.id,
            person_id=office.people[who].id,
            substitute_id=office.people[other].id if other else None,
            starts_at=now + timedelta(hours=begin),
            ends_at=now + timedelta(hours=begin + 60),
        )


def rule(office: Office) -> str:
    """The editor of the rule."""
    statement = "SELECT id FROM escalation_rule WHERE organisation_id = :org"
    return f"/rules/{office.site.build.one(statement, org=office.organisation.id).id}"


def watched(office: Office) -> None:
    """What the auditor has written: two things are wrong, one is well again; all of it was told. Dated ahead, so that it
    stays so."""
    build, org = office.site.build, office.organisation.id
    ahead = "clock_timestamp() + interval '1 day'"
    build.run(
        f"INSERT INTO audit_run (done_at, looked_at, queues) VALUES ({ahead}, hub_now(), CAST(:queues AS jsonb)) "
        "ON CONFLICT (one) DO NOTHING",
        queues=json.dumps({"route": 0, "urgent": 0, "bulk": 14, "sweep": 1}),
    )
    for kind, queue in (("worker", "route"), ("worker", "bulk"), ("worker", "sweep"), ("scheduler", "")):
        build.run(
            "INSERT INTO process_beat (id, kind, queues, seen_at) "
            f"VALUES (:id, :kind, ARRAY[:queue], {ahead}) ON CONFLICT (id) DO NOTHING",
            id=f"{kind}:{queue}",
            kind=kind,
            queue=queue,
        )
    build.run(
        "INSERT INTO sweep_run (name, ended_at) VALUES ('remind', clock_timestamp()), "
        "('rescue', clock_timestamp() - interval '2 hours') ON CONFLICT (name) DO NOTHING"
    )
    for name, subject, found, minutes in (
        ("worker_missing", "urgent", 1, 42),
        ("delivery_late", "", 14, 40),
        ("redis_away", "", 1, 180),
    ):
        build.run(
            "INSERT INTO audit_finding (organisation_id, name, subject, found, since, told_at, cleared_at, well_at) "
            "SELECT :org, :name, :subject, :found, hub_now() - make_interval(mins => :minutes), hub_now(), over, over "
            "FROM (SELECT CASE WHEN :minutes > 100 THEN hub_now() - interval '2 hours' END AS over) AS known",
            org=org,
            name=name,
            subject=subject,
            found=found,
            minutes=minutes,
        )


def spend(office: Office) -> None:
    """What SMS have cost for two months, most of a budget, and who set it."""
    build, org = office.site.build, office.organisation.id
    build.run(
        "INSERT INTO sms_spent (organisation_id, day, country, event, messages, segments, cost_usd) "
        "SELECT :org, CAST(hub_now() AT TIME ZONE o.zone AS date) - ago, country, event, 3 + ago % 7, 4 + ago % 7, (3 + ago % 7) * price "
        "FROM organisation o, generate_series(1, 55) AS ago, (VALUES ('US', 'repair_assigned', 0.02), ('US', 'repair_completed', 0.01), "
        "('DE', 'announcement', 0.095), ('GB', 'permit_escalated', 0.043)) AS known(country, event, price) "
        "WHERE o.id = :org ON CONFLICT DO NOTHING",
        org=org,
    )
    build.insert("sms_budget", organisation_id=org, month_usd=40, day_usd=4, reserve=15)
    build.insert(
        "audit",
        organisation_id=org,
        who="person",
        actor_id=office.people["ada"].id,
        what="office.budget",
        before=json.dumps({"month": None, "day": None, "reserve": None}),
        after=json.dumps({"month": "40.00", "day": "4.00", "reserve": 15}),
    )


def together(office: Office, said: dict[str, str]) -> None:
    """Five rewards of one minute for Iris, which her quiet hours held and which left as one message."""
    iris = office.person("iris", name="Iris Holm")
    office.site.build.quiet(iris, "00:00", "00:00")
    for number in range(5):
        reward = {"reward": f"{said['reward']} {number}", "points": 100, "redeemed_by": said["redeemed_by"]}
        office.post(
            "reward.redeemed", {"technician": {"id": "iris"}, "redeemed_at": office.tomorrow(), **reward}
        )
    office.settle()
    with office.site.app.app_context():
        with step(office.organisation.id) as work:
            wishes.keep_quiet(work, iris.id, None, range(7), "UTC", COMMAND)
        collect.run(datetime.now(UTC))
    office.settle()


def other_work(office: Office, said: dict[str, str]) -> None:
    """A work order with notes, permits at their steps, a booking, maintenance."""
    order = {"id": "WO-1", "number": "WO-1", "work": said["work"], "location": said["location"]}
    office.post(
        "work_order.upsert",
        {**order, "urgency": "urgent", "due_at": office.tomorrow(), "technician": {"id": "marco"}}
        | {"customer": {"id": "dana"}},
    )
    office.post("work_order.upsert", {**order, "notes": said["notes"], "issues": said["issues"]})
    people = {
        role: {"id": key}
        for role, key in (("creator", "marco"), ("verifier", "priya"), ("approver", "alice"))
    }
    facts = {"type": "Electrical work", "work": said["work"], "location": said["location"]}
    times = {"planned_start": office.tomorrow(), "planned_end": office.tomorrow(hours=9)}
    points = [{"name": said["point"]}, {"name": "Valve V-3"}]
    for number, status in (("PTW-1", "submitted"), ("PTW-2", "approved"), ("PTW-3", "draft")):
        permit = {
            "id": number,
            "number": number,
            "status": status,
            **facts,
            **times,
            "isolation_points": points,
        }
        office.post("permit.upsert", {**permit, **people})
    office.post(
        "booking.upsert",
        {"id": "B-1", "number": "B-1", "resource": said["resource"], "location": said["location"]}
        | {"start": office.tomorrow(hours=26), "end": office.tomorrow(hours=29), "guest": {"id": "dana"}},
    )
    office.post(
        "maintenance.upsert",
        {
            "id": "M-1",
            "number": "M-1",
            "problem": said["problem"],
            "unit": "A101",
            "location": said["location"],
        }
        | {"urgent": True, "resident": {"id": "dana"}},
    )


def change(office: Office, said: dict[str, str]) -> None:
    """What was changed about Marco, by himself, by Ada and by a command; and about the office."""
    ada, marco = office.people["ada"].id, office.people["marco"].id
    lines: tuple[tuple[Any, str, Any, dict[str, Any] | None, dict[str, Any] | None], ...] = (
        (ada, "person.role", marco, {"role": "contact"}, {"role": "technician"}),
        (ada, "person.zone", marco, {"zone": None}, {"zone": "America/Los_Angeles"}),
        (ada, "address.added", marco, None, {"channel": "email", "address": "m***@whitfield-and-daughters.example"}),
        (marco, "preference.choices", marco, {"category:assignment/sms": None, "event:repair_assigned/email": None},
         {"category:assignment/sms": False, "event:repair_assigned/email": True}),
        (marco, "preference.quiet_hours", marco, None, {"from": "22:00", "until": "07:00", "days": [0, 1, 2, 3, 4]}),
        (ada, "key.made", marco, None, {"name": said["reward"]}),
        (ada, "office.switches", None, {"options": []}, {"options": ["assign_verifiers"]}),
        (None, "office.settings", None, {"footer": ""}, {"footer": said["location"]}),
    )  # fmt: skip
    for actor, what, subject, before, after in lines:
        office.site.build.insert(
            "audit",
            organisation_id=office.organisation.id,
            who="person" if actor else "command",
            actor_id=actor,
            what=what,
            subject_id=subject,
            before=json.dumps(before) if before else None,
            after=json.dumps(after) if after else None,
        )


def invite(office: Office) -> None:
    """Priya is asked to join another office, and somebody whom nobody knows waits here."""
    other = Office(office.site, name="Harbor Glass")
    boss = other.person("zoe", "administrator", name="Zoe Lindqvist")
    asked = other.person("mark", name="Mark R.", login="")
    waits = office.person("nina", name="Nina Vale", login="")
    for person, email, by, token in (
        (asked, office.people["priya"].login, boss.id, uuid4().hex),
        (waits, f"nina@{office.slug}.example.com", office.people["ada"].id, f"welcome-{office.slug}"),
    ):
        office.site.build.insert(
            "invitation",
            organisation_id=person.organisation_id,
            person_id=person.id,
            email=email,
            token_hash=Secrets.hash_token(token),
            expires_at=datetime.now(UTC) + timedelta(days=7),
            invited_by=by,
        )


def write(office: Office, said: dict[str, str], audience: list[str], after: timedelta) -> None:
    """Something that Alice has written for a time."""
    office.site.build.insert(
        "written_message",
        organisation_id=office.organisation.id,
        form_key=uuid4().hex,
        author_id=office.people["alice"].id,
        event="manual_message",
        priority=2,
        facts=json.dumps({"headline": said["alarm"], "message": said["message"]}),
        audience=audience,
        due_at=datetime.now(UTC) + after,
    )


@dataclass(frozen=True)
class Place:
    """One page: who looks ('' is nobody), where it is, and what is opened on it."""

    name: str
    who: str
    path: Callable[[Office], str]
    opens: str = ""
    status: int = 200

    def prepare(self, page: Page) -> None:
        """Open what is folded, or press the button that leads to the page meant."""
        for summary in page.locator(self.opens).all() if self.opens else ():
            summary.click()
        page.wait_for_load_state("load")


def at(path: str) -> Callable[[Office], str]:
    """An address that is always the same."""
    return lambda _office: path


def line(key: str, event: str) -> Callable[[Office], str]:
    """The newest notification of this event to this person."""
    return lambda office: f"/inbox/{next(row.id for row in office.lines(key) if row.name == event)}"


def asked(office: Office) -> str:
    """The office asks why the other technician did not hear of it."""
    return f"{line('marco', 'repair_denied')(office)}?about={office.people['priya'].id}"


def message(key: str, channel: str) -> Callable[[Office], str]:
    """The outbox with the newest message to this person."""
    return lambda office: f"/outbox?message={office.messages(key, channel)[0].id}"


def refused(office: Office) -> None:
    """Two mails that the provider refused, with their attempts."""
    office.site.build.run(
        "WITH two AS (SELECT id, organisation_id FROM delivery WHERE organisation_id = :org AND channel = 'email' "
        "AND state = 'sent' AND purpose = 'notification' ORDER BY id DESC LIMIT 2), gone AS ("
        "UPDATE delivery d SET state = 'failed', reason = 'provider_refused', detail = '554 5.7.1: policy: not today' "
        "FROM two WHERE d.organisation_id = two.organisation_id AND d.id = two.id RETURNING d.id) "
        "UPDATE attempt a SET outcome = 'permanent', provider_id = NULL, response = NULL, error_code = '554', "
        "error = '554 5.7.1: policy: not today' FROM two WHERE a.organisation_id = two.organisation_id AND a.delivery_id = two.id",
        org=office.organisation.id,
    )


def delivery(state: str) -> Callable[[Office], str]:
    """The newest mail that came to this state."""
    statement = "SELECT id FROM delivery WHERE organisation_id = :org AND channel = 'email' AND state = :state ORDER BY id DESC LIMIT 1"
    return lambda office: (
        f"/deliveries/{office.site.build.one(statement, org=office.organisation.id, state=state).id}"
    )


def verify(office: Office) -> str:
    """Where Priya verifies her new mail address: the link in the mail that went to it."""
    statement = (
        "SELECT c.body FROM delivery d JOIN content c ON c.organisation_id = d.organisation_id AND c.id = d.content_id "
        "WHERE d.organisation_id = :org AND d.address = :address ORDER BY d.id DESC LIMIT 1"
    )
    row = office.site.build.one(statement, org=office.organisation.id, address=NEW_MAIL)
    return "/verify/" + str(row.body["text"]).split("/verify/")[1].split()[0]


def unsubscribe(office: Office) -> str:
    """Where Dana refuses a kind of mail."""
    with office.site.app.app_context():
        return unsubscribing.PATH + unsubscribing.token(
            office.organisation.id, office.people["dana"].id, "reward", "email"
        )


def written(state: str, path: str = "/sent/{id}") -> Callable[[Office], str]:
    """What was written and has come to this state."""
    statement = "SELECT id FROM written_message WHERE organisation_id = :org AND state = :state"
    return lambda office: path.format(
        id=office.site.build.one(statement, org=office.organisation.id, state=state).id
    )


def rollcall(office: Office) -> str:
    """The roll-call of the emergency."""
    statement = "SELECT id FROM event WHERE organisation_id = :org AND name = 'emergency_alert'"
    return f"/rollcall/{office.site.build.one(statement, org=office.organisation.id).id}"


def answer_link(office: Office) -> str:
    """Where Dana answers whether she is safe: the first private link that she got."""
    texts = [row.body["text"] for row in office.messages("dana", "sms") if "/l/" in row.body["text"]]
    return "/l/" + str(texts[-1]).split("/l/")[1].split()[0]


PREVIEW = "button.button[value=preview]"
PLACES = (
    Place("sign-in", "", at("/sign-in")),
    Place("dashboard", "alice", at("/dashboard"), opens=".chart-numbers summary"),
    Place("running", "alice", at("/running")),
    Place("inbox", "marco", at("/inbox")),
    Place("inbox-empty", "nora", at("/inbox")),
    Place("inbox-folded", "iris", at("/inbox"), opens=".fold summary"),
    Place("notification", "marco", line("marco", "repair_assigned")),
    Place("notification-office", "alice", asked),
    Place("work", "alice", at("/work"), opens="input[name=item], .decide-deny summary"),
    Place("work-nothing", "alice", at("/work?q=nothing+is+called+this")),
    Place("jobs", "marco", at("/work")),
    Place("item", "alice", lambda office: office.path("R-1"), opens=".moment-why summary, .action summary"),
    Place("item-pending", "alice", lambda office: office.path("R-3"), opens=".action summary"),
    Place("job", "priya", lambda office: office.path("R-1", "jobs")),
    Place(
        "item-order", "alice", lambda office: office.path("WO-1"), opens=".action summary, .at-once summary"
    ),
    Place("item-permit", "alice", lambda office: office.path("PTW-2"), opens=".action summary"),
    Place("item-booking", "alice", lambda office: office.path("B-1"), opens=".action summary"),
    Place("item-maintenance", "alice", lambda office: office.path("M-1"), opens=".action summary"),
    Place(
        "job-order",
        "marco",
        lambda office: office.path("WO-1", "jobs"),
        opens=".action summary, .at-once summary",
    ),
    Place("job-permit", "priya", lambda office: office.path("PTW-1", "jobs"), opens=".action summary"),
    Place("work-overdue", "alice", at("/work?kind=permit&state=submitted&overdue=1")),
    Place("work-permits", "alice", at("/work?kind=permit"), opens=".new-menu summary"),
    Place("new-permit", "marco", at("/new/permit")),
    Place("new-booking", "alice", at("/new/booking")),
    Place("compose", "alice", at("/compose?q=nobody")),
    Place("compose-alarm", "ada", at("/compose/emergency.raised")),
    Place("compose-visitor", "marco", at("/compose/visitor.arrived")),
    Place("compose-preview", "alice", written("scheduled", "/compose?from={id}"), opens=PREVIEW),
    Place("sent", "alice", at("/sent")),
    Place("sent-technician", "marco", at("/sent")),
    Place("sent-message", "alice", written("sent")),
    Place("sent-scheduled", "alice", written("scheduled")),
    Place("rollcalls", "alice", at("/rollcall")),
    Place("rollcall", "ada", rollcall),
    Place("alarm", "marco", line("marco", "emergency_alert")),
    Place("answer-link", "", answer_link),
    Place("people", "alice", at("/people")),
    Place("people-nobody", "alice", at("/people?q=nobody+is+called+this")),
    Place(
        "person",
        "ada",
        lambda office: f"/people/{office.people['marco'].id}",
        opens="#changes summary",
    ),
    Place("suppressed", "alice", at("/suppressed")),
    Place("suppressed-nothing", "alice", at("/suppressed?q=nothing+is+called+this")),
    Place("suppressed-complaint", "alice", closed_address("complaint")),
    Place("suppressed-bounce", "ada", closed_address("bounce")),
    Place("suppressed-opt-out", "alice", closed_address("opt_out")),
    Place("person-blocked", "ada", lambda office: f"/people/{office.people['cora'].id}"),
    Place("record-person", "ada", lambda office: f"/record?person={office.people['marco'].id}"),
    Place("person-new", "ada", at("/people/new")),
    Place("switches", "ada", at("/switches")),
    Place("deliveries", "ada", at("/deliveries?days=400")),
    Place("deliveries-nothing", "ada", at("/deliveries?q=nothing+is+called+this")),
    Place("deliveries-failed", "ada", at("/deliveries/failed")),
    Place(
        "deliveries-again",
        "ada",
        at("/deliveries/again?channel=email&reason=provider_refused&provider=local"),
    ),
    Place("delivery", "ada", delivery("failed")),
    Place("delivery-sent", "ada", delivery("sent")),
    Place("providers", "ada", at("/providers")),
    Place("spend", "ada", at("/spend?people=1"), opens="#days-numbers summary"),
    Place("spend-office", "alice", at("/spend")),
    Place("spend-month", "ada", at("/spend?month=2020-01")),
    Place("cover", "alice", at("/cover")),
    Place("cover-own", "priya", at("/cover")),
    Place("rules", "ada", at("/rules"), opens=".rule .action summary"),
    Place("rule", "ada", rule, opens=".level .more summary"),
    Place("rule-new", "ada", at("/rules/new?scope=work_order/acknowledgement")),
    Place("branding", "ada", at("/branding")),
    Place("branding-office", "alice", at("/branding")),
    Place("unsubscribe-gone", "", at("/unsubscribe/nothing"), status=404),
    Place("unsubscribe", "", unsubscribe),
    Place("preferences-unverified", "priya", at("/preferences")),
    Place("person-unverified", "ada", lambda office: f"/people/{office.people['priya'].id}"),
    Place("verify", "", verify),
    Place("verify-gone", "", at("/verify/nothing-that-was-ever-made"), status=404),
    Place("templates", "ada", at("/templates")),
    Place("templates-nothing", "ada", at("/templates?q=nothing+like+this")),
    Place(
        "template", "ada", at("/templates/repair_in_progress"), opens="#facts summary, #built-title summary"
    ),
    Place("template-versions", "ada", at("/templates/repair_in_progress/versions")),
    Place("template-versions-none", "ada", at("/templates/repair_approved/versions")),
    Place("record", "ada", at("/record")),
    Place("record-nothing", "ada", at("/record?kind=template")),
    Place("welcome-gone", "", at("/welcome/nothing-that-was-ever-made"), status=404),
    Place("welcome", "", lambda office: f"/welcome/welcome-{office.slug}"),
    Place("invitations", "priya", at("/invitations")),
    Place("invited", "priya", at("/preferences")),
    Place("person-invited", "ada", lambda office: f"/people/{office.people['nina'].id}"),
    Place("preferences", "marco", at("/preferences"), opens="#overrides summary, #changes summary"),
    Place("preferences-chat", "marco", at("/preferences")),
    Place("keys", "adam", at("/keys")),
    Place("endpoints", "ada", at("/endpoints")),
    Place("endpoint", "ada", endpoint("Night desk"), opens="#rotate summary, #remove summary"),
    Place("endpoint-failing", "ada", endpoint("#repairs")),
    Place("endpoint-off", "ada", endpoint("Facilities")),
    Place("endpoint-new", "ada", at("/endpoints/new")),
    Place("outbox-endpoint", "alice", posted),
    Place("outbox", "alice", at("/outbox")),
    Place("outbox-email", "alice", message("dana", "email"), opens=".outbox-facts summary"),
    Place("outbox-sms", "alice", message("dana", "sms")),
    Place("outbox-telegram", "alice", message("marco", "telegram")),
    Place("outbox-push", "alice", message("marco", "push")),
    Place("outbox-collected", "alice", message("iris", "email")),
    Place("private-link", "", lambda office: office.private_link("dana")),
    Place("private-link-gone", "", at("/l/nothing-that-was-ever-made"), status=404),
    Place("not-found", "marco", at("/inbox/0199a3c4-7b1e-7cc3-8f00-1d2f3a4b5c6d"), status=404),
    Place("forbidden", "marco", at("/dashboard"), status=403),
)
