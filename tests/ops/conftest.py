"""Directories, programs and waiting for the tests of how the product starts and stops."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from notify_app.engines import Engines, temporary

ROOT = Path(__file__).resolve().parents[2]
PLAY = Path(__file__).with_name("play.py")
_PAUSE = threading.Event()


def eventually(true: Callable[[], Any], seconds: float = 20) -> Any:
    """The first true answer; fails when there is none in time."""
    until = time.monotonic() + seconds
    while not (answer := true()):
        assert time.monotonic() < until, "it never came true"
        _PAUSE.wait(0.02)
    return answer


@pytest.fixture
def place() -> Iterator[Path]:
    """A fresh directory with a space in its name that every user may walk through (pytest's own are closed)."""
    top = Path(tempfile.mkdtemp(prefix="hub-test-"))
    top.chmod(0o711)
    directory = top / "an instance"
    directory.mkdir()
    directory.chmod(0o711)
    yield directory
    shutil.rmtree(top)


@pytest.fixture(scope="module")
def shared() -> Iterator[Engines]:
    """One running set for the tests that only look."""
    with temporary() as engines:
        yield engines


class Played:
    """`play.py` as a child, whose lines are read as they come."""

    def __init__(self, *arguments: str, env: dict[str, str] | None = None) -> None:
        self.lines: list[str] = []
        self.sockets: Path | None = None
        self.process = subprocess.Popen(
            [sys.executable, str(PLAY), *arguments],
            cwd=ROOT,
            env=clean_environment() | (env or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def until(self, words: str) -> str:
        """Reads on until a line holds the words; fails when the program ends before."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if words in line:
                return line
        raise AssertionError(f"ended ({self.process.wait()}) without {words!r}: {self.lines}")

    def answer(self) -> dict[str, Any]:
        told = dict(json.loads(self.until("{")))
        if url := told.get("env", {}).get("REDIS_URL"):
            self.sockets = Path(url.partition("@")[2]).parent
        return told

    def ended(self) -> str:
        """Waits for its end; what else it said."""
        out, _ = self.process.communicate(timeout=30)
        return "\n".join(self.lines) + "\n" + out


def clean_environment() -> dict[str, str]:
    """Ours without what would point the program at another set."""
    mine = ("DATABASE_", "REDIS_", "HUB_", "PORT")
    return {name: value for name, value in os.environ.items() if not name.startswith(mine)}


@pytest.fixture
def play() -> Iterator[Callable[..., Played]]:
    made: list[Played] = []

    def start(*arguments: str, env: dict[str, str] | None = None) -> Played:
        made.append(Played(*arguments, env=env))
        return made[-1]

    yield start
    for one in made:
        if one.process.poll() is None:
            one.process.terminate()
        one.process.communicate(timeout=30)
        if one.sockets:  # a killed one leaves them for the next start, which a test may not make
            shutil.rmtree(one.sockets, ignore_errors=True)
