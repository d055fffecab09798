"""The list of the pages, and where each is found in an office that has something on it (`furniture`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from playwright.sync_api import Page

from notify_app.work import unsubscribing
from tests.browser.furniture import NEW_MAIL
from tests.browser.office import Office


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


def rule(office: Office) -> str:
    """The editor of the rule."""
    statement = "SELECT id FROM escalation_rule WHERE organisation_id = :org"
    return f"/rules/{office.site.build.one(statement, org=office.organisation.id).id}"


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
        whole = unsubscribing.address(office.organisation.id, office.people["dana"].id, "reward", "email")
    return urlsplit(whole).path


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
