"""Pages of the documents that are followed word for word: a copy of the hub with the files that a page has one write."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
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


class Page:
    """A document of `docs/`, and the copy in which it is followed."""

    def __init__(self, name: str, copy: Path) -> None:
        self.name, self.copy = name, copy
        self._text = (ROOT / "docs" / name).read_text(encoding="utf-8")
        self._bring()

    def _bring(self) -> None:
        """The parts of the repository that run, with nothing of the page yet."""
        for name in COPIED:
            if (ROOT / name).is_dir():
                leave = shutil.ignore_patterns("__pycache__", "golden", "images")
                shutil.copytree(ROOT / name, self.copy / name, ignore=leave)
            else:
                shutil.copy(ROOT / name, self.copy / name)

    def follow(self) -> None:
        """Write its files and make its edits."""
        for path, text in self._files():
            target = self.copy / path
            assert not target.exists(), path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        for where in {where for what, where, _ in BLOCKS.findall(self._text) if what == "edit"}:
            target = self.copy / where
            target.write_text(self._edited(target.read_text(encoding="utf-8"), where), encoding="utf-8")

    def _files(self) -> Iterator[tuple[str, str]]:
        """(path, text) of all that the page has one write."""
        for what, where, text in BLOCKS.findall(self._text):
            if what == "file":
                yield where, text
            elif what == "folder":
                for name, _, words in (part.partition("\n") for part in text.split("==> ")[1:]):
                    yield f"{where}/{name}", words

    def _edited(self, text: str, where: str) -> str:
        """A file after the page's edits of it: each line that goes must be there, once."""
        for what, path, lines in BLOCKS.findall(self._text):
            if (what, path) != ("edit", where):
                continue
            pairs = re.findall(r"^-(.*)\n\+(.*)$", lines, re.MULTILINE)
            assert pairs
            for old, new in pairs:
                assert text.count(f"{old}\n") == 1, f"{where} has no line {old!r}: docs/{self.name} is old"
                text = text.replace(f"{old}\n", f"{new}\n")
        return text

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Python in the copy, which must import nothing of ours but from there."""
        env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.copy,
            env=env | {"PYTHONPATH": str(self.copy)},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
