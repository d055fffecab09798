"""Every message of every pack, on every channel, as its recipient reads it (A2, A3, A9, C4)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from notify_app import domains
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


def test_every_event_has_all_its_files() -> None:
    assert [path for domain, event in EVENTS for path in missing_files(domain, event.name)] == []
