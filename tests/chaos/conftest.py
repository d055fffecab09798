"""The running product, once for all kill tests; each test has an office of its own in it."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest

from tests.chaos.house import House
from tests.chaos.office import Office


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure shows what the processes have written last."""
    report = yield
    house = getattr(item, "funcargs", {}).get("house")
    if report.failed and isinstance(house, House):
        report.sections.append(("what the processes wrote", house.last_words()))
    return report


@pytest.fixture(scope="module")
def running() -> Iterator[House]:
    with House() as house:
        yield house


@pytest.fixture
def house(running: House) -> Iterator[House]:
    """Whole before the test; what the test has broken or held is put right after it."""
    running.until_whole()
    yield running
    running.let_go()
    running.revive()


@pytest.fixture
def office(house: House) -> Office:
    return house.office()
