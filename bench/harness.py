"""What every benchmark shares: how much work, statistics, the table, the JSON line, and what a process has used.

A figure stands beside its limit in the same run. Rounds of ours and of the limit take turns, so that whatever else
the machine does falls on both; the median of the rounds is shown with the lowest and the highest.
"""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from notify_app.processes import descendants_of

__all__ = [
    "FULL",
    "ROOT",
    "SHORT",
    "Effort",
    "Line",
    "Memory",
    "Report",
    "cpu_seconds",
    "family",
    "machine",
    "memory",
    "percentile",
]

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "build" / "bench.jsonl"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Effort:
    """How much is done: for figures that mean something, or to see whether it runs."""

    rounds: int
    seconds: float  # of each round, after its warm-up
    warm_up: float
    events: int  # sent through the whole path in one round
    deliveries: int
    jobs: int  # of a peer that has one job for each message
    messages: int  # of a latency
    idle_seconds: float  # before memory is read

    @property
    def name(self) -> str:
        return "full" if self == FULL else "short"


FULL = Effort(3, 4.0, 1.0, 600, 20_000, 2_000, 200, 20.0)
SHORT = Effort(1, 2.0, 0.5, 60, 400, 100, 12, 3.0)


# --- statistics ----------------------------------------------------------------------------------------------------


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of them does not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered) - 1e-9) - 1)]


# --- what processes use --------------------------------------------------------------------------------------------


def family(pid: int) -> list[int]:
    """A process and all below it."""
    return [pid, *descendants_of(pid)]


def cpu_seconds(pid: int) -> float:
    """Processor time of a process and all below it, those that have ended included."""
    return sum(_ticks(one) for one in family(pid)) / TICKS


def _ticks(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:  # ended meanwhile: its parent counts it from now on
        return 0
    return sum(
        int(fields[at]) for at in (11, 12, 13, 14)
    )  # utime, stime, and those of children that were reaped


@dataclass(frozen=True)
class Memory:
    """In MB. `pss` shares each page among those who map it, so it may be summed; `rss` counts it for each."""

    pss: float = 0.0
    rss: float = 0.0

    def __add__(self, other: Memory) -> Memory:
        return Memory(self.pss + other.pss, self.rss + other.rss)


def memory(pids: Iterable[int]) -> Memory:
    """What these processes hold together."""
    total = Memory()
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        found = {
            name: int(rest.split()[0])
            for name, _, rest in (row.partition(":") for row in text.splitlines()[1:])
        }
        total += Memory(found["Pss"] / 1024, found["Rss"] / 1024)
    return total


# --- the report ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """One row: a figure, what it is measured against, and the goal if there is one."""

    what: str
    values: tuple[float, ...]
    unit: str
    of: str = ""  # the line that is the limit or the peer
    ratio: float | None = None
    goal: str = ""
    met: bool | None = None
    note: str = ""

    @property
    def value(self) -> float:
        return statistics.median(self.values)


@dataclass
class Report:
    """One benchmark's table."""

    name: str
    title: str
    effort: Effort
    lines: list[Line] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)  # further figures, for the JSON line alone
    load: tuple[float, ...] = field(default_factory=os.getloadavg)

    def add(
        self,
        what: str,
        values: float | Sequence[float],
        unit: str,
        *,
        of: str = "",
        at_least: float | None = None,
        at_most: float | None = None,
        note: str = "",
    ) -> Line:
        """Add a figure. With `of`, it is shown as a multiple of that line and the goal is about the multiple."""
        rounds = tuple(float(one) for one in (values if isinstance(values, Sequence) else (values,)))
        value = statistics.median(rounds)
        ratio = value / self.value(of) if of else None
        judged = value if ratio is None else ratio
        suffix = f" {unit}" if ratio is None else " x"
        goal, met = "", None
        if at_least is not None:
            goal, met = f">= {at_least:g}{suffix}", judged >= at_least
        elif at_most is not None:
            goal, met = f"<= {at_most:g}{suffix}", judged <= at_most
        self.lines.append(Line(what, rounds, unit, of, ratio, goal, met, note))
        return self.lines[-1]

    def value(self, what: str) -> float:
        """The figure of the line of this name."""
        return next(line.value for line in self.lines if line.what == what)

    def _limits(self) -> list[str]:
        """The lines that others stand against."""
        return [line.what for line in self.lines if any(other.of == line.what for other in self.lines)]

    def print(self) -> None:
        """The table, for people."""
        print(f"\n{self.name.upper()}  {self.title}")
        print(f"    {_machine_line()}, load {self.load[0]:.2f}, {self.effort.name}\n")
        marks = {what: f"[{letter}]" for letter, what in zip(LETTERS, self._limits(), strict=False)}
        rows = [("", "", "", "lowest-highest", "", "goal", "")]
        rows += [_cells(line, marks) for line in self.lines]
        widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
        for row in rows:
            print("    " + "  ".join(_put(cell, widths[at], at) for at, cell in enumerate(row)).rstrip())
        for line in self.lines:
            if line.note:
                print(f"    {line.what}: {line.note}")

    def save(self) -> None:
        """One JSON line, for later comparison."""
        RESULTS.parent.mkdir(exist_ok=True)
        found = {
            "bench": self.name,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "commit": _commit(),
            "effort": self.effort.name,
            "machine": machine(),
            "load": self.load,
            "lines": [asdict(line) | {"value": line.value} for line in self.lines],
            "facts": self.facts,
        }
        with RESULTS.open("a", encoding="utf-8") as file:
            file.write(json.dumps(found) + "\n")


def _cells(line: Line, marks: dict[str, str]) -> tuple[str, ...]:
    spread = f"{_number(min(line.values))}-{_number(max(line.values))}" if len(line.values) > 1 else ""
    ratio = "" if line.ratio is None else f"{line.ratio:.2f} x {marks[line.of]}"
    verdict = "" if line.met is None else "met" if line.met else "MISSED"
    figure = f"{_number(line.value)} {line.unit}"
    return marks.get(line.what, ""), line.what, figure, spread, ratio, line.goal, verdict


def _put(text: str, width: int, at: int) -> str:
    return text.rjust(width) if at in (2, 3, 4) else text.ljust(width)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


# --- the machine ---------------------------------------------------------------------------------------------------


def machine() -> dict[str, Any]:
    """What it ran on."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def _machine_line() -> str:
    found = machine()
    return (
        f"{found['cores']} cores of {found['processor']}, {found['memory_gb']} GB, Python {found['python']}"
    )


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip()
