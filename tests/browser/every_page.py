"""An office with something on every page, and the list of the pages."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from playwright.sync_api import Page

from notify_app.pipeline.step import step
from notify_app.sweeps import collect, scheduled
from notify_app.work import wishes
from tests.browser.office import Office
from tests.browser.site import Site

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
    write(office, said, ["role:technician"], timedelta(minutes=-1))
    write(office, said, ["everyone", f"person:{office.people['dana'].id}"], timedelta(days=3))
    with office.site.app.app_context():
        scheduled.run(datetime.now(UTC))
    office.settle()
    together(office, said)
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
            wishes.keep_quiet(work, iris.id, None, range(7), "UTC")
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
    Place("person", "ada", lambda office: f"/people/{office.people['marco'].id}"),
    Place("person-new", "ada", at("/people/new")),
    Place("switches", "ada", at("/switches")),
    Place("welcome-gone", "", at("/welcome/nothing-that-was-ever-made"), status=404),
    Place("preferences", "marco", at("/preferences"), opens="#overrides summary"),
    Place("keys", "adam", at("/keys")),
    Place("outbox", "alice", at("/outbox")),
    Place("outbox-email", "alice", message("dana", "email"), opens=".outbox-facts summary"),
    Place("outbox-sms", "alice", message("dana", "sms")),
    Place("outbox-collected", "alice", message("iris", "email")),
    Place("private-link", "", lambda office: office.private_link("dana")),
    Place("private-link-gone", "", at("/l/nothing-that-was-ever-made"), status=404),
    Place("not-found", "marco", at("/inbox/0199a3c4-7b1e-7cc3-8f00-1d2f3a4b5c6d"), status=404),
    Place("forbidden", "marco", at("/dashboard"), status=403),
)
