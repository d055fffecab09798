"""Group commit: who comes while a write is under way shares the next one, and nobody waits for ever."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from notify_app.errors import Unavailable
from notify_app.pipeline.group import IN_DOUBT, NOTHING_KEPT, GroupCommit

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 10


BUG = -1


class Table:
    """What is written to: keeps each group; takes so many writes, and holds the next until it is let go."""

    def __init__(self, writes: int = 100) -> None:
        self.groups: list[list[int]] = []
        self.asked = threading.Semaphore(0)
        self._writes = threading.Semaphore(writes)

    def let_go(self, writes: int = 100) -> None:
        self._writes.release(writes)

    def write(self, rows: list[int], until: float) -> list[str]:
        self.asked.release()
        assert self._writes.acquire(timeout=SECONDS)
        self.groups.append(rows)
        if BUG in rows:
            raise RuntimeError("a bug")
        return [f"kept {row}" for row in rows]

    def until_asked(self) -> None:
        assert self.asked.acquire(timeout=SECONDS)


def commit(
    table: Table, *, rows: int = 100, size: int = 1000, patience: float = SECONDS
) -> GroupCommit[int, str]:
    return GroupCommit(table.write, most_rows=rows, most_bytes=size, patience=patience)


def until(true: Callable[[], bool]) -> None:
    """Wait for a state that another thread brings about."""
    for _ in range(SECONDS * 1000):
        if true():
            return
        threading.Event().wait(0.001)
    raise AssertionError("it never came to this")


def waiting(group: GroupCommit[int, str]) -> int:
    return len(group._open.rows) if group._open else 0


class Crowd:
    """Callers in threads of their own. While `table` is held by the first of them, the others gather."""

    def __init__(self, table: Table, group: GroupCommit[int, str]) -> None:
        self._table, self._group = table, group
        self._pool = ThreadPoolExecutor(64)

    def first(self, *rows: int) -> Future[list[str]]:
        put = self._pool.submit(self._group.put, rows, len(rows))
        self._table.until_asked()
        return put

    def more(self, *rows: int, size: int = 1) -> Future[list[str]]:
        before = waiting(self._group)
        put = self._pool.submit(self._group.put, rows, size)
        until(lambda: waiting(self._group) not in (0, before) or put.done())
        return put


def test_one_that_comes_alone_is_written_at_once() -> None:
    table = Table()
    group = commit(table)
    assert group.put([1, 2], 2) == ["kept 1", "kept 2"]
    assert group.put([3], 1) == ["kept 3"]
    assert table.groups == [[1, 2], [3]]


def test_all_who_come_during_a_write_share_the_next_and_each_hears_of_its_own_rows() -> None:
    table = Table(writes=0)
    crowd = Crowd(table, commit(table))
    first = crowd.first(1)
    others = [crowd.more(row, row + 100) for row in range(2, 30)]
    table.let_go()
    assert first.result(SECONDS) == ["kept 1"]
    for row, put in enumerate(others, start=2):
        assert put.result(SECONDS) == [f"kept {row}", f"kept {row + 100}"]
    assert table.groups == [[1], [one for row in range(2, 30) for one in (row, row + 100)]]


@pytest.mark.parametrize(("limits", "size"), [({"rows": 4}, 1), ({"size": 40}, 10)], ids=["rows", "bytes"])
def test_a_group_has_its_limit_and_no_put_is_divided(limits: dict[str, int], size: int) -> None:
    table = Table(writes=0)
    crowd = Crowd(table, commit(table, **limits))
    first = crowd.first(0)
    rows = [(1,), (2, 3), (4, 5), (6,)] if "rows" in limits else [(1,), (2,), (3,), (4,), (5,)]
    others = [crowd.more(*one, size=size) for one in rows]
    table.let_go()
    for put in (first, *others):
        put.result(SECONDS)
    assert sorted(table.groups) == (
        [[0], [1, 2, 3], [4, 5, 6]] if "rows" in limits else [[0], [1, 2, 3, 4], [5]]
    )


def test_a_put_beyond_the_limit_is_a_group_of_its_own() -> None:
    table = Table()
    assert commit(table, rows=2).put([1, 2, 3], 3) == ["kept 1", "kept 2", "kept 3"]


def test_a_bug_in_the_write_reaches_its_leader_and_the_others_are_in_doubt() -> None:
    table = Table(writes=0)
    group = commit(table)
    crowd = Crowd(table, group)
    first = crowd.first(1)
    leader, other = crowd.more(BUG), crowd.more(2)
    table.let_go()
    assert first.result(SECONDS) == ["kept 1"]
    with pytest.raises(RuntimeError, match="a bug"):
        leader.result(SECONDS)
    with pytest.raises(Unavailable, match=IN_DOUBT[:30]):
        other.result(SECONDS)
    assert group.put([3], 1) == ["kept 3"], "the next group is another matter"


def test_nobody_waits_for_ever_and_who_was_not_begun_is_told_that_nothing_was_kept() -> None:
    table = Table(writes=0)
    crowd = Crowd(table, commit(table, patience=0.5))
    stuck = crowd.first(1)
    leader, other = crowd.more(2), crowd.more(3)
    with pytest.raises(Unavailable, match=NOTHING_KEPT[:30]):
        leader.result(SECONDS)
    with pytest.raises(Unavailable):
        other.result(SECONDS)
    table.let_go()
    assert stuck.result(SECONDS) == ["kept 1"]
    assert table.groups == [[1]], "who was told that nothing was kept was not written later"


def test_who_waits_for_a_write_that_does_not_come_back_is_told_that_it_is_in_doubt() -> None:
    table = Table(writes=0)
    crowd = Crowd(table, commit(table, patience=2))
    first = crowd.first(1)
    leader, other = crowd.more(2), crowd.more(3)
    table.let_go(1)
    assert first.result(SECONDS) == ["kept 1"]
    table.until_asked()
    with pytest.raises(Unavailable, match=IN_DOUBT[:30]):
        other.result(SECONDS)
    table.let_go()
    assert leader.result(SECONDS) == ["kept 2"], "it writes, so it alone knows"


GREENLETS = """
from gevent import monkey; monkey.patch_all()
import gevent, threading
from notify_app.errors import Unavailable
from notify_app.pipeline.group import GroupCommit

groups, go = [], threading.Event()

def write(rows, until):
    groups.append(list(rows))
    if rows != ["alone"]:
        go.wait()
    return rows

def put(row):
    try:
        return group.put([row], 1)
    except Unavailable:
        return "in doubt"

group = GroupCommit(write, most_rows=100, most_bytes=100, patience=20)
assert put("alone") == ["alone"]
first = gevent.spawn(put, "first")
gevent.idle()
others = [gevent.spawn(put, row) for row in range(50)]
gevent.idle()
go.set()
gevent.joinall([first, *others])
assert [one.value for one in others] == [[row] for row in range(50)]
assert groups[1:] == [["first"], list(range(50))], groups

go.clear()
leader = gevent.spawn(put, "leader")
gevent.idle()
waits = [gevent.spawn(put, row) for row in ("a", "b")]
gevent.idle()
leader.kill()
gevent.idle()
go.set()
gevent.joinall(waits, timeout=10)
assert [one.value for one in waits] == [["a"], ["b"]], [one.value for one in waits]
go.clear()
leader = gevent.spawn(put, "leader")
gevent.idle()
second = gevent.spawn(put, "second")
gevent.idle()
third = gevent.spawn(put, "third")
gevent.idle()
second.kill()
go.set()
gevent.joinall([third], timeout=10)
assert third.value == "in doubt", third.value
assert put("alone") == ["alone"]
print("done")
"""


def test_greenlets_share_a_write_and_the_death_of_one_who_leads_leaves_nobody_waiting() -> None:
    done = subprocess.run(
        [sys.executable, "-c", GREENLETS], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "done\n", done.stderr
