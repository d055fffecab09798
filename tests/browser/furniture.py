"""An office with something on every page: what the tests of pages, and the pictures of them, need to be there."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from notify_app.pipeline.step import step
from notify_app.secrets import Secrets
from notify_app.sweeps import collect, scheduled
from notify_app.work import chats, devices, templates, verification, wishes
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
