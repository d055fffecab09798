"""Makes .venv and installs one requirements file into it; does nothing when that is done already.

    python3 notify_app/environment.py requirements.txt

Runs before anything is installed, so: standard library only, and syntax that an old Python 3 understands too,
because the first thing it has to do is to say that that Python is too old.
"""

import hashlib
import os
import shutil
import subprocess
import sys

OLDEST = (3, 11)
NEWER = ["python3.%d" % minor for minor in range(19, 10, -1)]
VENV = ".venv"
PYTHON = os.path.join(VENV, "bin", "python")


def main(requirements: str) -> None:
    use_new_enough_python()
    stamp = os.path.join(VENV, "installed-" + os.path.basename(requirements))
    wanted = fingerprint(requirements)
    if works() and read(stamp) == wanted:
        return
    refuse_incomplete_python()
    if not works():
        say("making the environment in %s (Python %d.%d)" % ((VENV,) + sys.version_info[:2]))
        call([sys.executable, "-m", "venv", "--clear", VENV], "Python could not make %s" % VENV)
    say("installing what %s names; the first time this takes a minute or two" % requirements)
    pip = [
        PYTHON,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-input",
        "--require-hashes",
    ]
    call(pip + ["-r", requirements], "pip could not install %s" % requirements)
    with open(stamp, "w") as file:
        file.write(wanted)
    say("the environment is ready")


def use_new_enough_python() -> None:
    """Goes on under a newer Python when this one is too old and another is there."""
    if sys.version_info >= OLDEST:
        return
    for name in NEWER:
        found = shutil.which(name)
        if found:
            os.execv(found, [found] + sys.argv)  # noqa: S606
    stop(
        "This is Python %d.%d and no newer one was found: install Python 3.11 or newer, "
        "or say where it is with `make run PYTHON=/path/to/python3`." % sys.version_info[:2]
    )


def refuse_incomplete_python() -> None:
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        stop(
            "Python's venv module is not installed: install it (Debian and Ubuntu: apt-get install python3-venv), "
            "then run make again."
        )


def works() -> bool:
    """Whether there is an environment whose Python runs and has pip; one of a removed Python, or half made, is not."""
    if not os.path.exists(PYTHON):
        return False
    return subprocess.call([PYTHON, "-c", "import pip"], stderr=subprocess.DEVNULL) == 0


def fingerprint(requirements: str) -> str:
    with open(requirements, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def read(path: str) -> str:
    if not os.path.exists(path):
        return ""
    with open(path) as file:
        return file.read()


def call(command: list, failed: str) -> None:
    if subprocess.call(command) != 0:
        stop("%s; what it says is above." % failed)


def say(line: str) -> None:
    print("  " + line)
    sys.stdout.flush()


def stop(sentence: str) -> None:
    sys.exit(sentence)


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except KeyboardInterrupt:
        stop("Stopped; run make again to go on.")
