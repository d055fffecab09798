"""Look-ups that come at the same time share one statement, and each gets its own answer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

import pytest

from notify_app.errors import Unavailable
from notify_app.web import together
from notify_app.web.together import AT_ONCE, Together
from tests.streams.wire import eventually


class Asked:
    """What is asked, statement by statement; each waits until it is let go."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.go = threading.Semaphore(0)
        self.changed = threading.Condition()
        self.error: Exception | None = None

    def __call__(self, keys: Sequence[str]) -> Mapping[str, str]:
        with self.changed:
            self.groups.append(list(keys))
            self.changed.notify_all()
        assert self.go.acquire(timeout=20)
        if self.error:
            raise self.error
        return {key: key.upper() for key in keys if key != "unknown"}

    def until(self, true: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(true, 20)


class Callers:
    """Threads that ask for one key each."""

    def __init__(self, shared: Together[str, str]) -> None:
        self._shared = shared
        self.answers: dict[int, object] = {}
        self._threads: list[threading.Thread] = []

    def ask(self, *keys: str) -> None:
        for key in keys:
            self._threads.append(threading.Thread(target=self._ask, args=(len(self._threads), key)))
            self._threads[-1].start()

    def _ask(self, number: int, key: str) -> None:
        try:
            self.answers[number] = self._shared.get(key)
        except Unavailable as error:
            self.answers[number] = error

    def finish(self) -> list[object]:
        for thread in self._threads:
            thread.join(20)
        return [self.answers[number] for number in range(len(self._threads))]


@pytest.fixture
def asked() -> Asked:
    return Asked()


@pytest.fixture
def callers(asked: Asked) -> Callers:
    return Callers(Together(asked))


def joined(callers: Callers, count: int) -> bool:
    return len(callers._shared._open.keys) == count


def test_alone_it_is_asked_at_once(asked: Asked, callers: Callers) -> None:
    asked.go.release()
    callers.ask("a")
    assert callers.finish() == ["A"]
    assert asked.groups == [["a"]]


def test_who_comes_while_others_are_answered_shares_the_next_statement(
    asked: Asked, callers: Callers
) -> None:
    for number in range(AT_ONCE):
        callers.ask(f"first{number}")
        asked.until(lambda number=number: len(asked.groups) == number + 1)
    callers.ask("b", "c", "unknown")
    eventually(lambda: joined(callers, 3), "all three have come")
    assert len(asked.groups) == AT_ONCE, "not yet: it must begin after all of them have come"
    asked.go.release(AT_ONCE + 1)
    assert callers.finish()[AT_ONCE:] == ["B", "C", None]
    assert sorted(asked.groups[AT_ONCE]) == ["b", "c", "unknown"]
    assert len(asked.groups) == AT_ONCE + 1


def test_a_group_has_a_limit(asked: Asked, callers: Callers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together, "MOST", 2)
    for number in range(AT_ONCE):
        callers.ask(f"first{number}")
        asked.until(lambda number=number: sum(map(len, asked.groups)) == number + 1)
    callers.ask("b", "c", "d")
    asked.go.release(AT_ONCE + 2)
    assert callers.finish()[AT_ONCE:] == ["B", "C", "D"]
    assert max(map(len, asked.groups)) == 2


def test_an_error_is_everybodys_of_that_group_and_nobody_elses(asked: Asked, callers: Callers) -> None:
    asked.error = Unavailable("away")
    asked.go.release()
    callers.ask("a")
    assert callers.finish() == [asked.error]
    asked.error = None
    asked.go.release()
    callers.ask("a")
    assert callers.finish()[1] == "A"


def test_who_waited_for_one_that_was_stopped_is_not_told_that_there_is_nothing(callers: Callers) -> None:
    """Nothing would mean: signed out."""
    shared: Together[str, str] = Together(_stopped)
    with pytest.raises(SystemExit):
        shared.get("a")
    group = shared._open
    group.keys.append("somebody before")
    group.read.set()
    with pytest.raises(Unavailable):
        shared.get("b")


def _stopped(_: Sequence[str]) -> Mapping[str, str]:
    raise SystemExit
