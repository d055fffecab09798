"""The site and the browser, once for all journeys; an office and the visits of one test."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser import chrome
from tests.browser.chrome import Visits
from tests.browser.office import Office
from tests.browser.site import Site


@pytest.fixture(scope="package")
def site() -> Iterator[Site]:
    """The running product."""
    _need_a_browser()
    with Site() as running:
        yield running


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One Chromium; each visit gets a fresh profile in it."""
    _need_a_browser()
    with chrome.chromium() as started:
        yield started


def _need_a_browser() -> None:
    if chrome.executable() is None:
        assert os.environ.get("CI") != "true", "Chromium is missing: install the package chromium"
        pytest.skip("Chromium is not installed here")


@pytest.fixture
def office(site: Site) -> Office:
    """A new organisation with its people."""
    made = Office(site)
    made.staff()
    return made


@pytest.fixture
def visit(browser: Browser, site: Site) -> Iterator[Visits]:
    """Opens pages. In the end nothing may have gone wrong on any of them."""
    visits = Visits(browser, site)
    yield visits
    visits.close()
    assert not visits.watch.problems(), "pages complained:\n" + "\n".join(visits.watch.problems())


@pytest.fixture(params=("phone", "desktop"))
def screen(request: pytest.FixtureRequest) -> str:
    """The journey is made twice: at 360 and at 1,280 pixels."""
    return str(request.param)
