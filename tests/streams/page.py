"""A page as the browser would have it: it reads frames, keeps the inbox that they tell of, and comes back with its last
id. It fails on whatever would make a person see something twice."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Page:
    """`lines` is what it shows: the id of each line, and whether it is read."""

    lines: dict[str, bool] = field(default_factory=dict)
    unread: int = 0
    position: str = ""
    events: list[str] = field(default_factory=list)
    told: list[dict[str, Any]] = field(default_factory=list)  # notifications, as they came
    _rest: bytes = b""

    def read(self, data: bytes) -> None:
        """Take what has arrived; half a frame waits for its rest."""
        *frames, self._rest = (self._rest + data).split(b"\n\n")
        for frame in frames:
            fields = dict(line.split(": ", 1) for line in frame.decode().split("\n") if ": " in line)
            if "data" in fields:
                self._take(fields["event"], fields.get("id", ""), json.loads(fields["data"]))

    def broken(self) -> None:
        """The connection is gone: half a frame is forgotten, as a browser forgets it."""
        self._rest = b""

    def _take(self, event: str, id: str, data: dict[str, Any]) -> None:
        if event == "heartbeat":
            return
        self.events.append(event)
        self.position = id or self.position
        self.unread = data.get("unread", self.unread)
        match event:
            case "snapshot":
                self.lines = {one["id"]: one["read"] for one in data["notifications"]}
            case "notification":
                assert data["id"] not in self.lines, f"{data['id']} came twice"
                self.told.append(data)
                self.lines[data["id"]] = data["read"]
            case "withdrawn":
                for one in data["ids"]:
                    self.lines.pop(one, None)
            case "read" | "unread":
                for one in list(self.lines) if data.get("all") else data["ids"]:
                    if one in self.lines:
                        self.lines[one] = event == "read"
