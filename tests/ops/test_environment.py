"""What `make` does before anything is installed: an environment, or one sentence that says what is missing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "notify_app" / "environment.py"


def run(
    directory: Path, before: str = "", executable: str = sys.executable
) -> subprocess.CompletedProcess[str]:
    """The script as `make` calls it, in a project of its own; `before` spoils this Python first."""
    code = f"import runpy, sys; sys.argv = ['environment.py', 'requirements.txt']; {before}\n"
    code += f"runpy.run_path({str(SCRIPT)!r}, run_name='__main__')"
    return subprocess.run(
        [executable, "-c", code], cwd=directory, capture_output=True, text=True, check=False
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    directory = tmp_path / "a project"
    directory.mkdir()
    (directory / "requirements.txt").write_text("# nothing to install\n")
    return directory


def test_it_makes_the_environment_once_and_then_is_quick_and_silent(project):
    first = run(project)
    assert first.returncode == 0, first.stderr
    assert "making the environment in .venv" in first.stdout
    assert (project / ".venv" / "bin" / "python").exists()
    again = run(project)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    (project / "requirements.txt").write_text("# still nothing\n")
    changed = run(project)
    assert "installing what requirements.txt names" in changed.stdout
    assert "making the environment" not in changed.stdout


def test_an_environment_whose_python_is_gone_is_made_again(project):
    (project / ".venv" / "bin").mkdir(parents=True)
    (project / ".venv" / "bin" / "python").symlink_to("/nowhere/python3")
    done = run(project)
    assert done.returncode == 0, done.stderr
    assert "making the environment" in done.stdout


def test_without_venv_it_says_which_package_to_install(project):
    done = run(project, "sys.modules['ensurepip'] = None")
    assert done.returncode == 1
    assert done.stderr.strip() == (
        "Python's venv module is not installed: install it (Debian and Ubuntu: apt-get install python3-venv), "
        "then run make again."
    )


def test_an_old_python_says_so(project):
    done = run(project, "import shutil; shutil.which = lambda name: None; sys.version_info = (3, 9, 2)")
    assert done.returncode == 1
    assert done.stderr.startswith(
        "This is Python 3.9 and no newer one was found: install Python 3.11 or newer"
    )


def test_a_package_that_cannot_be_installed_stops_it_with_pips_own_words(project):
    (project / "requirements.txt").write_text("./nothing-here.whl\n")
    done = run(project)
    assert done.returncode == 1
    assert "pip could not install requirements.txt; what it says is above." in done.stderr
    assert not list((project / ".venv").glob("installed-*"))


def test_its_syntax_is_understood_by_an_old_python():
    """It is the program that has to say that a Python is too old."""
    import ast

    ast.parse(SCRIPT.read_text(), feature_version=(3, 6))


def test_every_target_of_the_makefile_is_in_its_help():
    make = shutil.which("make")
    assert make
    # a make that was started by another make tells which directory it enters
    told = subprocess.run(
        [make, "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert [line.split()[1] for line in told.splitlines()] == [
        "help", "run", "test", "lint", "format", "chaos", "bench", "screenshots", "lock", "clean",
    ]  # fmt: skip


def test_a_missing_python_is_said_by_make_itself(project):
    for name in ("Makefile", "notify_app"):
        (project / name).symlink_to(ROOT / name)
    done = subprocess.run(
        ["make", "run", "PYTHON=no-such-python"], cwd=project, capture_output=True, text=True, check=False
    )
    assert "Python is not installed: install Python 3.11 or newer" in done.stdout
    assert done.returncode != 0
