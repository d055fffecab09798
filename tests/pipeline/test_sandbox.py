"""An office's template cannot escape, exhaust or outlive its sandbox (S5; reliability.md §4.4)."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from jinja2 import TemplateError

from notify_app.pipeline.sandbox import CHILD, SandboxedRenderer, TemplateFailed
from notify_app.pipeline.sandbox_child import LONGEST_SOURCE, Environment, check_source
from tests.hostile import BOMBS, ESCAPES

CONTEXT: dict[str, Any] = {
    "item": {
        "number": "R-7",
        "title": "Chip",
        "items": "five",
        "price": {"$": {"": "$150", "long": "$150.00"}},
    },
    "items": [{"number": "R-7"}, {"number": "R-8"}, {"number": "R-9"}],
    "name": "Ana",
    "count": 3,
    "none": None,
}

SPENT = r"too long|too much memory or time"
LEAKS = (
    "<class",
    "<built-in",
    "<function",
    "<bound",
    "object at 0x",
    "root:",
    "uid=",
    "__",
    "<module",
    "Loop",
)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxedRenderer]:
    running = SandboxedRenderer(children=1)
    yield running
    running.close()


@pytest.fixture
def fresh() -> Iterator[Callable[..., SandboxedRenderer]]:
    """Makes renderers of a test's own, and ends them."""
    made: list[SandboxedRenderer] = []

    def make(**options: Any) -> SandboxedRenderer:
        made.append(SandboxedRenderer(**options))
        made[-1].render("title", "x", {})
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize("source", ESCAPES + BOMBS, ids=lambda source: source[:40])
@pytest.mark.proves("S5")
def test_no_template_escapes_or_exhausts(sandbox: SandboxedRenderer, source: str) -> None:
    """Refused at save or refused at send, each time signalled; never an output that tells of the inside."""
    with pytest.raises(TemplateFailed) as failed:
        sandbox.render("title", source, CONTEXT)
    assert failed.value.reason
    assert sandbox.render("title", "{{ name }}", CONTEXT) == "Ana"


@pytest.mark.parametrize("source", ESCAPES, ids=lambda source: source[:40])
def test_the_environment_alone_would_hold(source: str) -> None:
    """Behind the rules stands a second wall: the same templates without `check_source`."""
    template = None
    with contextlib.suppress(TemplateError):
        template = Environment(html=False).from_string(source)
    if template is None:
        return  # Jinja itself cannot read it
    with contextlib.suppress(TemplateError, TypeError):
        told = template.render(CONTEXT)
        assert not any(leak in told for leak in LEAKS), told


def test_there_are_enough_of_them() -> None:
    assert len(set(ESCAPES + BOMBS)) >= 200


@pytest.mark.parametrize(
    "source",
    [
        "{{ name|upper }} has {{ count }} {{ count|plural('repair', 'repairs') }}",
        "{% for one in items if one.number != 'R-8' %}{{ loop.index }}. {{ one.number }}{% if not loop.last %}, {% endif %}{% endfor %}",
        "{{ items|listed('number') }} {{ items[0].number }} {{ items|length }} {{ items[:2]|length }}",
        "{{ item.price }} {{ item.price|long }} {{ item.items }} {{ missing|default('none') }}",
        "{% if missing is defined %}a{% elif count > 2 and count % 2 == 1 %}{{ count * 2 + 1 }}{% else %}c{% endif %}",
        "{{ name ~ '!' }} {{ 'yes' if none is none else 'no' }} {{ name|truncate(2, true, '') }}{{ none }}",
    ],
)
def test_what_an_office_needs_works(sandbox: SandboxedRenderer, source: str) -> None:
    assert check_source(source) == []
    assert sandbox.render("title", source, CONTEXT)


def test_what_works_says_what_it_should(sandbox: SandboxedRenderer) -> None:
    say = sandbox.render
    assert say("t", "{{ items|listed('number') }}", CONTEXT) == "R-7, R-8 and R-9"
    assert say("t", "{{ items|listed('number', 1) }}", CONTEXT) == "R-7 and 2 more"
    assert say("t", "{{ item.price }} {{ item.price|long }} {{ item.items }}", CONTEXT) == "$150 $150.00 five"
    assert say("t", "{{ 'ok'|sentence }} {{ count * 2 + 1 }}{{ none }}", CONTEXT) == "Ok. 7"
    assert say("t", "<p>{{ a }}</p>", {"a": "<b>"}, html=True) == "<p>&lt;b&gt;</p>"
    assert say("t", "<p>{{ a }}</p>", {"a": "<b>"}) == "<p><b></p>"


def test_problems_are_sentences_with_their_line() -> None:
    assert check_source("ok\n{{ name.upper() }}") == ["Line 2: calls are not allowed"]
    assert check_source("{% set a = 1 %}") == ["Line 1: {% set %} is not allowed"]
    assert check_source("{{ name|tojson }}") == ["Line 1: there is no filter tojson"]
    assert check_source("{% for a in x %}{% for b in x %}{% endfor %}{% endfor %}") == [
        "Line 1: a loop inside a loop is not allowed"
    ]
    assert check_source("{{ item.number }} {{ colour }}", known={"item"}) == [
        "Line 1: colour is not known here"
    ]
    assert check_source("{% for one in items %}{{ loop.index }}{{ one }}{% endfor %}", known={"items"}) == []
    [problem] = check_source("{{ ")
    assert problem.startswith("Line 1: ")
    assert check_source("x" * (LONGEST_SOURCE + 1)) == ["It is longer than 16384 characters."]


def test_too_much_output_is_refused_and_the_child_lives(sandbox: SandboxedRenderer) -> None:
    sandbox.render("title", "x", CONTEXT)
    before = sandbox.pids
    many = {"items": ["x" * 100] * 1000}
    with pytest.raises(TemplateFailed, match="more than 65536"):
        sandbox.render("title", "{% for one in items %}{{ one }}{% endfor %}", many)
    assert sandbox.pids == before


def endless(mark: str) -> tuple[str, dict[str, Any]]:
    """A template within the rules that never ends in time: a quarter of a million turns of many tests."""
    tests = "{% if one == n %}{% endif %}" * 400
    return (
        mark + "{% for one in items %}" + tests + "{% endfor %}",
        {"items": [0] * 250_000, "n": "Ana"},
    )


@pytest.mark.proves("S5")
def test_an_endless_one_is_killed_the_child_replaced_and_the_template_remembered(
    fresh: Callable[..., SandboxedRenderer],
) -> None:
    running = fresh(children=1)
    [first] = running.pids
    source, context = endless("a")
    assert check_source(source) == []
    with pytest.raises(TemplateFailed, match=SPENT):
        running.render("title", source, context)
    assert running.pids == []
    assert running.render("title", "{{ name }}", {"name": "Ana"}) == "Ana"
    [second] = running.pids
    assert second != first
    with pytest.raises(TemplateFailed, match=SPENT):
        running.render("title", source, {"items": []})  # at once, without costing another child
    assert running.pids == [second]
    running.close()
    assert running.pids == []


def test_a_frozen_child_is_replaced(
    fresh: Callable[..., SandboxedRenderer],
) -> None:
    running = fresh(children=1, wall_seconds=0.3)
    [frozen] = running.pids
    os.kill(frozen, signal.SIGSTOP)
    with pytest.raises(TemplateFailed, match="too long"):
        running.render("title", "y", {})
    assert running.render("title", "z", {}) == "z"
    assert running.pids != [frozen]


def test_a_child_that_was_killed_in_between_is_replaced(
    fresh: Callable[..., SandboxedRenderer],
) -> None:
    running = fresh(children=1)
    [gone] = running.pids
    descriptor = os.pidfd_open(gone)
    os.kill(gone, signal.SIGKILL)
    select.select([descriptor], [], [], 5)
    os.close(descriptor)
    assert running.render("title", "y", {}) == "y"


@pytest.mark.proves("S5")
def test_memory_is_limited() -> None:
    program = f"import sys; sys.path.insert(0, {str(CHILD.parent)!r}); import sandbox_child as c; c._limit(); bytearray(10**9)"
    ended = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert "MemoryError" in ended.stderr


def test_the_child_dies_with_its_parent() -> None:
    program = (
        "from notify_app.pipeline.sandbox import SandboxedRenderer as S\n"
        "s = S(children=1); s.render('t', 'x', {}); print(s.pids[0], flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        descriptor = os.pidfd_open(int(parent.stdout.readline()))
        parent.send_signal(signal.SIGKILL)
        gone, _, _ = select.select([descriptor], [], [], 5)
        os.close(descriptor)
        assert gone


def test_the_child_has_no_surroundings(sandbox: SandboxedRenderer) -> None:
    sandbox.render("title", "x", {})
    [pid] = sandbox.pids
    with open(f"/proc/{pid}/environ", "rb") as environ:
        names = {pair.split(b"=")[0] for pair in environ.read().split(b"\0") if pair}
    assert names <= {b"LC_ALL", b"PATH"}


def test_many_threads_share_two_children_and_none_waits_for_a_bad_one(
    fresh: Callable[..., SandboxedRenderer],
) -> None:
    running = fresh(children=2)
    source, context = endless("b")
    barrier = threading.Barrier(9)

    def good(number: int) -> list[str]:
        barrier.wait()
        return [running.render("title", "{{ n }}", {"n": f"{number}-{turn}"}) for turn in range(20)]

    def bad() -> str:
        barrier.wait()
        with pytest.raises(TemplateFailed):
            running.render("title", source, context)
        return "failed"

    with ThreadPoolExecutor(9) as pool:
        poison = pool.submit(bad)
        answers = list(pool.map(good, range(8)))
        assert poison.result() == "failed"
    assert answers == [[f"{number}-{turn}" for turn in range(20)] for number in range(8)]
