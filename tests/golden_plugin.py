"""Golden files: a text is compared with the file that was looked at and committed.

`pytest tests/golden --update-golden` writes them anew; then read the difference before committing it.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the golden files anew")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """`golden("repairs/reward.sms.txt", text)` compares, or writes when asked to."""
    update = bool(request.config.getoption("--update-golden", default=False))

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if update:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            return
        if not path.is_file():
            pytest.fail(
                f"there is no golden file {name}: run `pytest tests/golden --update-golden` and read it"
            )
        was = path.read_text(encoding="utf-8")
        if was != text:
            lines = difflib.unified_diff(
                was.splitlines(), text.splitlines(), f"golden {name}", "now", lineterm=""
            )
            pytest.fail("\n".join(lines), pytrace=False)

    return compare
