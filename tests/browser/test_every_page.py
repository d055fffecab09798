"""Every page: whole for everybody, quiet in the console, narrow enough, small enough, and deaf to what it is told to run."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Response, expect

from tests.browser import look
from tests.browser.chrome import Visits, live
from tests.browser.every_page import PLACES, Place
from tests.browser.furniture import furnish, furnished
from tests.browser.office import Office
from tests.browser.site import Site

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

MOST_BYTES = 100_000
every_place = pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)


@pytest.fixture(scope="module", name="furnished")
def furnished_office(site: Site) -> Office:
    """An office with something on every page."""
    return furnished(site)


def go(visit: Visits, office: Office, place: Place, page: Page) -> None:
    """Open the place and wait until nothing is under way but its stream."""
    if place.status >= 400:
        visit.watch.allow(f"status of {place.status}")
    page.goto(place.path(office))
    if place.who:
        live(page)


@every_place
def test_it_is_small_and_whole_for_everybody(furnished: Office, visit: Visits, place: Place) -> None:
    page = visit(furnished.people[place.who] if place.who else None, "about:blank")
    answers = Answers(page)
    go(visit, furnished, place, page)
    answers.are_small()

    place.prepare(page)
    wrong = look.structure(page) + look.contrast(page)
    look.at_night(page)
    wrong += [f"at night: {one}" for one in look.contrast(page)]
    look.on_a("desktop", page)
    wrong += [f"on a desktop: {one}" for one in look.structure(page) + look.contrast(page)]
    assert not wrong, "\n".join(wrong)


class Answers:
    """What the server sends to a page that is opened for the first time."""

    def __init__(self, page: Page) -> None:
        self._all: list[Response] = []
        page.context.on("response", self._note)

    def _note(self, answer: Response) -> None:
        self._all.append(answer)

    def are_small(self) -> None:
        """Together they stay under the limit, as they go over the wire."""
        sizes = {urlsplit(answer.url).path: transferred(answer) for answer in self._all}
        assert sum(sizes.values()) < MOST_BYTES, sorted(sizes.items(), key=lambda pair: -pair[1])
        assert "/static/css/base.css" in sizes, "nothing came from a cache"


def transferred(answer: Response) -> int:
    """The bytes of an answer as they went over the wire; a stream has no end, and its frames are counted by no page."""
    if "/stream?" in answer.url:
        return 0
    sizes = answer.request.sizes()
    return sizes["responseBodySize"] + sizes["responseHeadersSize"]


# --- hostile words -------------------------------------------------------------------------------------------------

EVIL = "<script>window.hacked=1</script><img src=x onerror=window.hacked=1>"
QUOTED = "'\"><svg onload=window.hacked=1><a href=javascript:window.hacked=1>{{7*7}}"
WORDS = {
    "vehicle": f"V{EVIL}",
    "damage": f"D{QUOTED}",
    "location": f"L{EVIL}{QUOTED}",
    "reason": f"R{EVIL}{QUOTED}",
    "reward": f"W{EVIL}{QUOTED}",
    "redeemed_by": f"B{EVIL}",
    "work": f"K{EVIL}",
    "notes": f"N{EVIL}{QUOTED}",
    "issues": f"I{EVIL}{QUOTED}",
    "point": f"P{QUOTED}",
    "resource": f"S{EVIL}",
    "problem": f"M{QUOTED}",
    "alarm": f"A{EVIL}"[:200],
    "message": f"M{EVIL}{QUOTED}",
}
INNOCENT = """() => ({
    ran: window.hacked ?? null,
    made: document.querySelectorAll("[onerror], [onload], [href^='javascript:'], img[src=x], script:not([src])").length,
    said: document.body.innerText,
})"""


@pytest.fixture(scope="module")
def hostile(site: Site) -> Office:
    """The same, where everybody and everything is called a script."""
    made = Office(site, name=f"O{EVIL}", company_name=f"C{EVIL}"[:100], footer=f"F{EVIL}")
    made.person("alice", "manager", name=f"Alice {EVIL}")
    made.person("marco", name=f"Marco {EVIL}")
    made.person("priya", name=f"Priya {QUOTED}")
    made.person("tom", name=f"Tom {EVIL}")
    made.person("nora", "contact", name=f"Nora {EVIL}", login=f"nora@{made.slug}.example.com")
    made.person("dana", "contact", name=f"Dana {EVIL}")
    furnish(made, WORDS)
    return made


@pytest.mark.proves("S6")
@every_place
def test_words_that_are_scripts_are_shown_and_not_run(hostile: Office, visit: Visits, place: Place) -> None:
    page = visit(hostile.people[place.who] if place.who else None, "about:blank")
    go(visit, hostile, place, page)
    for screen in ("desktop", "phone"):
        look.on_a(screen, page)
        assert not look.structure(page), "long words widen no page"
    place.prepare(page)
    for frame in page.frames:
        found = frame.evaluate(INNOCENT)
        assert found["ran"] is None
        assert found["made"] == 0
        assert "49" not in re.findall(r"href=javascript:window\.hacked=1>(\S\S)", found["said"])
    if place.name in ("inbox", "work", "item", "dashboard", "outbox-sms", "outbox-email", "private-link"):
        words = " ".join(frame.evaluate("document.body.innerText") for frame in page.frames)
        assert "<script>window.hacked=1</script>" in words, "the words are shown as they are"


@pytest.mark.proves("S6")
def test_words_that_are_scripts_arrive_live_and_are_typed_without_being_run(
    hostile: Office, visit: Visits
) -> None:
    inbox = live(visit(hostile.people["tom"], "/inbox"))
    before = inbox.locator("[data-note]").count()
    office = live(visit(hostile.people["alice"], "/dashboard", screen="desktop"))
    hostile.report("R-9", status="pending", vehicle=f"N{EVIL}", damage=QUOTED, technician="tom")
    expect(inbox.locator("[data-note]")).to_have_count(before + 1)
    expect(inbox.locator("[data-note]").first).to_contain_text("<script>")
    expect(office.locator("[data-live=work]")).to_contain_text(f"N{EVIL}")
    office.goto(hostile.path("R-9"))
    office.locator("summary", has_text="Deny…").click()
    office.get_by_label("Reason, told to those concerned").fill(f"T{EVIL}{QUOTED}")
    office.get_by_role("button", name="Deny this repair").click()
    expect(office.locator("[data-live=timeline]")).to_contain_text(f"T{EVIL}")
    expect(inbox.locator("[data-note]")).to_have_count(before + 2)
    for page in (inbox, office):
        assert page.evaluate(INNOCENT)["ran"] is None
        assert page.evaluate(INNOCENT)["made"] == 0
