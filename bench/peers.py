"""The peers that the product is measured beside: an environment of their own, so that none becomes a dependency.

`python()` makes `build/peers` from `bench/requirements-peers.txt` on first need and answers its interpreter;
`program()` finds a peer that Debian packages (nginx), or says how to install it.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from bench.harness import ROOT

__all__ = ["program", "python"]

HOME = ROOT / "build" / "peers"
NAMED = ROOT / "bench" / "requirements-peers.txt"


def python() -> Path:
    """The interpreter of the peers' environment; made, or made anew, when what it should hold has changed."""
    stamp, wanted = HOME / "installed", hashlib.sha256(NAMED.read_bytes()).hexdigest()
    interpreter = HOME / "bin" / "python"
    if interpreter.exists() and stamp.exists() and stamp.read_text() == wanted:
        return interpreter
    print("  installing the peers (celery, dramatiq, huey, django-eventstream)", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(HOME)], check=True)
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
    subprocess.run([str(interpreter), *install, "-r", str(NAMED)], check=True)
    stamp.write_text(wanted)
    return interpreter


def program(name: str, package: str) -> str | None:
    """The path of a peer's program; None, and a line that says how to get it, where it is not installed."""
    found = shutil.which(name) or shutil.which(f"/usr/sbin/{name}")
    if found is None:
        print(f"  {name} is not here and is left out: apt-get install {package}", flush=True)
    return found
