"""docs/add-a-channel.md, followed word for word: a copy of the hub with the files of that page has a pager."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.followed import Page

pytestmark = [pytest.mark.proves("E6"), pytest.mark.timeout(400)]


@pytest.fixture
def page(tmp_path: Path) -> Page:
    return Page("add-a-channel.md", tmp_path)


def test_the_page_followed_word_for_word_makes_a_channel_that_tells_its_story(page: Page) -> None:
    page.follow()
    told = page.run(
        "-m", "pytest", "tests/channels/test_pager.py", "tests/stories/test_pager.py", "-n", "0", "-q"
    )
    assert told.returncode == 0, told.stdout[-4000:] + told.stderr[-2000:]
    passed = re.search(r"(\d+) passed", told.stdout)
    assert passed and int(passed[1]) == 8, told.stdout


def test_the_documents_then_tell_of_it(page: Page) -> None:
    page.follow()
    told = page.run(
        "-c",
        "import notify_app.channels\nfrom notify_app.pipeline.channel_catalogue import document\nprint(document())",
    )
    assert told.returncode == 0, told.stderr
    assert "| `gateway` | A gateway in the house. | `pager://…` | 5/s |" in told.stdout


def test_a_declaration_that_is_wrong_stops_the_start_and_is_named(page: Page) -> None:
    page.follow()
    file = page.copy / "notify_app/channels/pager.py"
    file.write_text(
        file.read_text(encoding="utf-8").replace('parts={"text"', 'parts={"words"'), encoding="utf-8"
    )
    told = page.run("-c", "import notify_app.channels")
    assert told.returncode != 0
    assert "the channel 'pager': its parts are text, and perhaps subject and html" in told.stderr
