"""docs/add-a-domain.md, followed word for word: a copy of the hub with the files of that page tells its story."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "add-a-domain.md").read_text(encoding="utf-8")
BLOCKS = re.compile(r"<!-- (file|folder|edit): (\S+) -->\n```\w+\n(.*?)^```$", re.DOTALL | re.MULTILINE)
COPIED = (
    "notify_app",
    "templates",
    "static",
    "migrations",
    "tests",
    "docs",
    "pyproject.toml",
    "worker.py",
    "wsgi.py",
)

pytestmark = [pytest.mark.proves("C3", "E5"), pytest.mark.timeout(400)]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The parts of the repository that run, with nothing of the page yet."""
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(
                ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "golden", "images")
            )
        else:
            shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def files() -> Iterator[tuple[str, str]]:
    """(path, text) of all that the page has one write."""
    for what, where, text in BLOCKS.findall(PAGE):
        if what == "file":
            yield where, text
        elif what == "folder":
            for name, _, words in (part.partition("\n") for part in text.split("==> ")[1:]):
                yield f"{where}/{name}", words


def edited(text: str, where: str) -> str:
    """A file after the page's edits of it: each line that goes must be there, once."""
    for what, path, lines in BLOCKS.findall(PAGE):
        if (what, path) != ("edit", where):
            continue
        pairs = re.findall(r"^-(.*)\n\+(.*)$", lines, re.MULTILINE)
        assert pairs
        for old, new in pairs:
            assert text.count(f"{old}\n") == 1, f"{where} has no line {old!r}: docs/add-a-domain.md is old"
            text = text.replace(f"{old}\n", f"{new}\n")
    return text


def write(copy: Path) -> None:
    for path, text in files():
        target = copy / path
        assert not target.exists(), path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    registry = copy / "notify_app" / "domains" / "__init__.py"
    registry.write_text(
        edited(registry.read_text(encoding="utf-8"), "notify_app/domains/__init__.py"), encoding="utf-8"
    )


def run(copy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Python in the copy, which must import nothing of ours but from there."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=copy,
        env=env | {"PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_page_followed_word_for_word_makes_a_domain_that_tells_its_story(copy: Path) -> None:
    write(copy)
    chosen = ("tests/stories/test_handovers.py", "tests/house/test_declarations.py")
    told = run(copy, "-m", "pytest", *chosen, "-n", "0", "-q", "-k", "handovers or key_ or misspelt")
    assert told.returncode == 0, told.stdout[-4000:] + told.stderr[-2000:]
    passed = re.search(r"(\d+) passed", told.stdout)
    # the two stories, each of the three events on every channel, and what the start refuses
    assert passed and int(passed[1]) >= 2 + 3, told.stdout


def test_the_page_without_one_of_its_files_stops_the_start_and_names_it(copy: Path) -> None:
    write(copy)
    (copy / "templates/messages/handovers/key_due/sms.txt").unlink()
    told = run(
        copy,
        "-c",
        "from tests.house.test_declarations import GOOD\nfrom notify_app.config import Settings\n"
        "from notify_app import create_app\ncreate_app(Settings.from_env(GOOD), pages=False)",
    )
    assert told.returncode != 0
    assert "handovers/key_due/sms.txt" in told.stderr
