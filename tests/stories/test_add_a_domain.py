"""docs/add-a-domain.md, followed word for word: a copy of the hub with the files of that page tells its story."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.followed import Page

pytestmark = [pytest.mark.proves("C3", "E5"), pytest.mark.timeout(400)]


@pytest.fixture
def page(tmp_path: Path) -> Page:
    return Page("add-a-domain.md", tmp_path)


def test_the_page_followed_word_for_word_makes_a_domain_that_tells_its_story(page: Page) -> None:
    page.follow()
    chosen = ("tests/stories/test_handovers.py", "tests/house/test_declarations.py")
    told = page.run("-m", "pytest", *chosen, "-n", "0", "-q", "-k", "handovers or key_ or misspelt")
    assert told.returncode == 0, told.stdout[-4000:] + told.stderr[-2000:]
    passed = re.search(r"(\d+) passed", told.stdout)
    # the two stories, each of the three events on every channel, and what the start refuses
    assert passed and int(passed[1]) >= 2 + 3, told.stdout


def test_the_page_without_one_of_its_files_stops_the_start_and_names_it(page: Page) -> None:
    page.follow()
    (page.copy / "templates/messages/handovers/key_due/sms.txt").unlink()
    told = page.run(
        "-c",
        "from tests.house.test_declarations import GOOD\nfrom notify_app.config import Settings\n"
        "from notify_app import create_app\ncreate_app(Settings.from_env(GOOD), pages=False)",
    )
    assert told.returncode != 0
    assert "handovers/key_due/sms.txt" in told.stderr
