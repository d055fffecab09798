"""The places in which messages are sent."""

from __future__ import annotations

import threading

from notify_app.channels.base import Message, Receipt, TryLater
from notify_app.pipeline.pool import Job, Pool

PATIENCE = 30.0


def job(text: str = "") -> Job:
    return Job(None, Message("d", "sms", "+12025550101", 1, "d", "high", text=text))


def accept(message: Message, _by: object = None) -> Receipt:
    return Receipt("test", message.text)


def threads() -> set[threading.Thread]:
    """Those that send, of whichever pool: others may be ending while we look."""
    return {one for one in threading.enumerate() if one.name == "send"}


def test_what_is_put_in_comes_out_with_its_answer() -> None:
    pool = Pool(4, accept)
    jobs = [job(str(number)) for number in range(4)]
    for one in jobs:
        pool.put(one)
    assert pool.free == 0
    found = []
    while pool.jobs:
        found += pool.finished(PATIENCE, 4, PATIENCE)
    assert set(found) == set(jobs)
    assert [one.answer.provider_id for one in jobs] == ["0", "1", "2", "3"]
    assert pool.free == 4
    pool.close()


def test_what_the_work_raises_is_its_answer() -> None:
    refusal = TryLater("later")

    def refuse(_message: Message, _by: object) -> Receipt:
        raise refusal

    pool = Pool(1, refuse)
    pool.put(job())
    (done,) = pool.finished(PATIENCE, 1, 0)
    assert done.answer is refusal
    pool.close()


def test_threads_are_started_as_they_are_needed_and_let_go() -> None:
    before, release = threads(), threading.Event()

    def hang(message: Message, _by: object) -> Receipt:
        assert release.wait(PATIENCE)
        return accept(message)

    pool = Pool(8, hang)
    assert not threads() - before
    for number in range(3):
        pool.put(job(str(number)))
    ours = threads() - before
    assert len(ours) == 3
    release.set()
    while pool.jobs:
        pool.finished(PATIENCE, 3, PATIENCE)
    pool.put(job())
    assert threads() - before == ours, "one that is there is used again"
    assert pool.finished(PATIENCE, 1, 0)
    pool.close()
    for one in ours:
        one.join(PATIENCE)
    assert not any(one.is_alive() for one in ours)


def test_one_that_hangs_keeps_no_other_waiting() -> None:
    release = threading.Event()

    def send(message: Message, _by: object) -> Receipt:
        assert message.text != "slow" or release.wait(PATIENCE)
        return accept(message)

    pool = Pool(3, send)
    slow, quick = job("slow"), job("quick")
    pool.put(slow)
    pool.put(quick)
    assert pool.finished(PATIENCE, 2, 0.01) == [quick], "it gathers for a moment, and no longer"
    assert pool.finished(0.01, 1, 0.01) == []
    assert (pool.free, pool.jobs) == (2, {slow})
    release.set()
    assert pool.finished(PATIENCE, 1, 0) == [slow]
    pool.close()
