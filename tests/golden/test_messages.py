"""Every message of every pack, on every channel, as its recipient reads it (A2, A3, A9, C4)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from notify_app import domains
from notify_app.domains.hub import ADDRESS_CODE, DIGEST
from notify_app.pipeline.render import FIELDS, missing_files, render
from notify_app.policy import sms

EVENTS = [(pack.name, event) for pack in domains.packs() for event in pack.events]
IDS = [event.name for _, event in EVENTS]
SUFFIX = {"email_html": "html"}
# what may never be seen by a reader: Python's own words for dates, money and nothing
RAW = re.compile(r"datetime|Decimal|Money\(|None|Undefined|\{\{|\{%|\[\[|UTC|\+00:00|\d{4}-\d\d-\d\dT")
# who reads: by a role on the item where the audience names one, else by the pack
DANA, LEILA, MEI = (("Dana Whitfield", "contact"), ("Leila Haddad", "contact"), ("Mei Tanaka", "contact"))
READERS = {
    "customer": DANA,
    "resident": LEILA,
    "everyone": LEILA,
    "guest": MEI,
    "creator": ("Carlos Mendes", "technician"),
    "verifier": ("Vera Lang", "technician"),
    "approver": ("Abel Okafor", "manager"),
    "office": ("Alice Moreno", "manager"),
}
MARCO = ("Marco Reyes", "technician")
OTHERS = {
    "work_orders": ("Ines Calder", "technician"),
    "estates": LEILA,
    "permits": ("Vera Lang", "technician"),
}
COMPANIES = {
    "work_orders": "Bayside Facilities",
    "estates": "Harbour Heights",
    "permits": "Northgate Construction",
    "bookings": "Pier Road Studios",
}
EVERGREEN = "Evergreen Auto Glass"
FOOTERS = {EVERGREEN: f"{EVERGREEN}, 1200 Cornwall Avenue, Bellingham, WA"}


def context(domain: str, event: Any) -> dict[str, Any]:
    """The context that a message of this event is rendered with, made of the pack's own sample."""
    name, role = next(
        (READERS[word] for word in event.audience if word in READERS), OTHERS.get(domain, MARCO)
    )
    name, role = MARCO if domain in ("repairs", "hub") and role == "manager" else (name, role)
    company = COMPANIES.get(domain, EVERGREEN)
    return {
        **event.sample,
        "event": {"name": event.name, "title": event.title, "priority": event.priority.value},
        "person": {"name": name, "first_name": name.split(maxsplit=1)[0], "role": role},
        "organisation": {"name": company},
        "branding": {
            "company_name": company,
            "logo_url": "",
            "colour": "#14532d",
            "accent": "#ca8a04",
            "footer": FOOTERS.get(company, ""),
            "sender_name": company,
        },
        "link": "https://hub.evergreen.example/l/4fTq0ZcVb8mWn3XyP7Kd2A",
    }


def rendered(domain: str, event: Any) -> dict[str, str]:
    return render(
        dict.fromkeys(FIELDS),
        context(domain, event),
        domain=domain,
        event=event.name,
        zone="America/Los_Angeles",
    ).values


@pytest.mark.parametrize(("domain", "event"), EVENTS, ids=IDS)
def test_every_message_reads_as_it_did_when_it_was_looked_at(
    domain: str, event: Any, golden: Callable[[str, str], None]
) -> None:
    for name, text in rendered(domain, event).items():
        golden(f"{domain}/{event.name}.{name}.{SUFFIX.get(name, 'txt')}", text.rstrip("\n") + "\n")


# what one event says in other cases: (pack, event, the case, what its payload has instead)
LATER = {"title": "Due", "value": datetime(2026, 11, 25, 18, 0, tzinfo=UTC)}
VARIANTS: list[tuple[str, str, str, dict[str, Any]]] = [
    ("work_orders", "work_order_update", "changed", {"assigned": False, "changes": [LATER]}),
    ("work_orders", "work_order_update", "handed_on", {"assigned": None, "handed_to": {"name": "Sol Park"}}),
    ("work_orders", "status_update", "noted", {"moved": False}),
    ("work_orders", "office_alert", "without_words", {"issues": None, "technician": None}),
    ("work_orders", "inventory_alert", "used_up", {"quantity": 0}),
    ("hub", "task_escalated", "nobody_has_it", {"task": {"title": "Verify the permit", "hours": 4}}),
    ("hub", "manual_message", "about_nothing", {"item": None}),
    ("hub", "collected", "of_a_burst", {"quiet": False, "count": 7, "more": 4}),
    ("hub", "manual_message", "with_a_title", {"headline": "Keys for Harbor House"}),
    ("estates", "maintenance_urgent", "nobody_has_it", {"technician": None}),
    ("estates", "visitor_arrival", "without_a_code", {"access_code": None}),
    ("permits", "permit_submitted", "without_verifier", {"verifier": None}),
    ("permits", "permit_approved", "all_verified", {"unverified": []}),
    ("permits", "permit_overdue", "nobody_has_it", {"task": {"title": "Verify the permit", "hours": 4}}),
    ("bookings", "booking_cancelled", "without_a_reason", {"reason": None}),
]


@pytest.mark.parametrize(("domain", "name", "case", "change"), VARIANTS, ids=lambda value: str(value)[:30])
def test_a_message_reads_as_well_in_its_other_cases(
    domain: str, name: str, case: str, change: dict[str, Any], golden: Callable[[str, str], None]
) -> None:
    event = domains.event(name)
    assert event is not None
    task = {"task": {"since": None, "assignee": None, **change["task"]}} if "task" in change else {}
    fields = dict.fromkeys(("title", "text", "sms", "email_text"))
    changed = {**context(domain, event), **change, **task}
    for field, text in render(
        fields, changed, domain=domain, event=name, zone="America/Los_Angeles"
    ).values.items():
        assert not RAW.search(text), field
        golden(f"{domain}/{name}.{case}.{field}.txt", text.rstrip("\n") + "\n")


@pytest.mark.parametrize(("domain", "event"), EVENTS, ids=IDS)
def test_nothing_is_undefined_or_unshaped_on_any_channel(domain: str, event: Any) -> None:
    for name, text in rendered(domain, event).items():
        assert text.strip(), name
        assert not RAW.search(text), name


@pytest.mark.parametrize(("domain", "event"), EVENTS, ids=IDS)
def test_the_sample_fits_one_sms_segment_with_its_link(domain: str, event: Any) -> None:
    text = rendered(domain, event)["sms"]
    assert sms.segments(text).count == 1
    assert sms.segments(text).encoding == "GSM-7"
    assert text.endswith(" https://hub.evergreen.example/l/4fTq0ZcVb8mWn3XyP7Kd2A")


@pytest.mark.parametrize(("domain", "event"), EVENTS, ids=IDS)
def test_the_bare_minimum_still_reads_well(domain: str, event: Any) -> None:
    """Whatever an event need not carry may be absent: nothing fails, and no gap shows."""
    bare = context(domain, event)
    needed = {path.split(".")[0] for path in event.requires} | {"event", "person", "organisation"}
    for key in set(bare) - needed:
        bare[key] = None
    if isinstance(bare.get("item"), dict):
        bare["item"] = _only(bare["item"], event)
    if bare.get("items"):
        bare["items"] = [_only(one, event) for one in bare["items"]]
    values = render(dict.fromkeys(FIELDS), bare, domain=domain, event=event.name, zone="UTC").values
    for name, text in values.items():
        assert text.strip(), name
        assert not RAW.search(text), name
        if name != "email_html":
            assert not re.search(r"\(\)|, ,|,\.|: *$|\.\.(?!\.)| \.|:\.", text.strip()), (name, text)


def _only(item: dict[str, Any], event: Any) -> dict[str, Any]:
    kept = {"number", "title", "id", "status", *(path.removeprefix("item.") for path in event.requires)}
    return {key: (value if key in kept else None) for key, value in item.items()}


@pytest.mark.parametrize(("domain", "event"), EVENTS, ids=IDS)
def test_html_and_text_say_the_same(domain: str, event: Any) -> None:
    values = rendered(domain, event)
    html = _words(values["email_html"].split("<body", 1)[1])
    for line in values["email_text"].splitlines():
        for word in _words(line):
            assert word in html, (word, line)


def _words(text: str) -> set[str]:
    import html

    text = html.unescape(re.sub(r"<[^>]+>", " ", re.sub(r'href="([^"]*)"', r"> \1 <", text)))
    return set(re.findall(r"\w{3,}", text.lower()))


# --- the digest, which is no event of a pack ------------------------------------------------------------------------


def digest(**change: Any) -> dict[str, str]:
    fields = dict.fromkeys(("title", "text", "subject", "email_html", "email_text"))
    values = {**context("hub", DIGEST), **change}
    return render(fields, values, domain="hub", event="digest", zone="America/Los_Angeles").values


@pytest.mark.proves("A12")
@pytest.mark.parametrize("case", ["", "one"])
def test_a_digest_reads_as_it_did_when_it_was_looked_at(
    case: str, golden: Callable[[str, str], None]
) -> None:
    one = {**DIGEST.sample["groups"][1], "count": 1}
    change = {"count": 1, "shown": 1, "more": 0, "groups": [one], "settings": "", "link": ""} if case else {}
    for name, text in digest(**change).items():
        assert not RAW.search(text), name
        ending = f"{name}.{SUFFIX.get(name, 'txt')}"
        golden(f"hub/digest.{case + '.' if case else ''}{ending}", text.rstrip("\n") + "\n")


@pytest.mark.proves("A12")
def test_a_digest_says_the_same_as_html_and_as_text() -> None:
    values = digest()
    html = _words(values["email_html"].split("<body", 1)[1])
    assert _words(values["email_text"]) <= html


# --- the code that verifies an address, which is no event of a pack either -------------------------------------------


@pytest.mark.proves("A9")
@pytest.mark.parametrize("case", ["", "without_a_link"])
def test_a_code_reads_as_it_did_when_it_was_looked_at(case: str, golden: Callable[[str, str], None]) -> None:
    values = context("hub", ADDRESS_CODE) | ({"link": ""} if case else {})
    found = render(
        dict.fromkeys(FIELDS), values, domain="hub", event="address_code", zone="America/Los_Angeles"
    ).values
    for name, text in found.items():
        assert not RAW.search(text), name
        ending = f"{name}.{SUFFIX.get(name, 'txt')}"
        golden(f"hub/address_code.{case + '.' if case else ''}{ending}", text.rstrip("\n") + "\n")
    assert sms.segments(found["sms"]).count == 1
    html = _words(found["email_html"].split("<body", 1)[1])
    assert _words(found["email_text"]) <= html


def test_every_event_has_all_its_files() -> None:
    assert [path for domain, event in EVENTS for path in missing_files(domain, event.name)] == []
