"""A volume plugin for the private engine, as small as one can be: its volumes are directories.

The protocol is Docker's (docs/extend/plugin_api.md and plugins_volume.md in docker/cli): JSON posted to a
Unix socket, in a directory where every engine looks; in the private namespace that is the namespace's own.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import Any

from tests.testbed.namespace import require_private

SOCKETS = Path("/run/docker/plugins")


class VolumePlugin:
    """A running plugin of that name, which keeps its volumes below `directory`."""

    def __init__(self, name: str, directory: Path) -> None:
        require_private()
        self.name = name
        self._directory = directory
        self._socket = SOCKETS / f"{name}.sock"
        self._server: _Server | None = None

    @property
    def runs(self) -> bool:
        """Whether the plugin was started and not stopped."""
        return self._server is not None

    def start(self) -> None:
        """Let the engine find the plugin."""
        SOCKETS.mkdir(parents=True, exist_ok=True)
        self._server = _Server(str(self._socket), _Handler)
        self._server.plugin = self
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Take the plugin away; what is in its volumes stays."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._socket.unlink()
            self._server = None

    def answer(self, call: str, name: str) -> dict[str, Any]:
        """Return what the plugin says to a call about the volume of that name."""
        place = self._directory / name
        if call == "Plugin.Activate":
            return {"Implements": ["VolumeDriver"]}
        if call == "VolumeDriver.Capabilities":
            return {"Capabilities": {"Scope": "local"}}
        if call == "VolumeDriver.Create":
            place.mkdir(exist_ok=True)
        if call == "VolumeDriver.List":
            return {"Volumes": [{"Name": one.name} for one in self._directory.iterdir()]}
        if call == "VolumeDriver.Remove":
            place.rename(place.with_name(f"removed-{name}"))
        if call == "VolumeDriver.Get":
            return _volume(place) if place.is_dir() else {"Err": "no such volume"}
        return {"Mountpoint": str(place)}


def _volume(place: Path) -> dict[str, Any]:
    return {"Volume": {"Name": place.name, "Mountpoint": str(place)}}


class _Server(ThreadingUnixStreamServer):
    daemon_threads = True
    plugin: VolumePlugin


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        name = json.loads(asked).get("Name", "") if asked.strip() else ""
        body = json.dumps(self.server.plugin.answer(self.path[1:], name)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        pass
