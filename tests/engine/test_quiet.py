"""What a run with nothing to do loads on a host with memories, asked of an engine that only answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import Any

from tests.plan.adopted import ENTRY, asked
from tests.testbed.command import ROOT

RUN = """
import sys
from dockerup.cli import main
assert main(sys.argv[1:]) == 0
assert {"docker", "requests", "urllib3", "dockerup.sdk"}.isdisjoint(sys.modules)
"""
IMAGE_ID = f"sha256:{'1' * 64}"


def engine_with_one_of_somebody() -> Mapping[str, Any]:
    """Return the answers of an engine with a container that somebody made as ENTRY says, by path."""
    found = asked()
    container_id = found.container["Id"]
    listed = {
        "Id": container_id,
        "Names": ["/web"],
        "Image": ENTRY["image"],
        "ImageID": IMAGE_ID,
        "State": "running",
        "Status": "Up 3 days",
        "NetworkSettings": {"Networks": {"bridge": {"NetworkID": "b" * 64}}},
        "Labels": found.container["Config"]["Labels"],
    }
    state = {"Status": "running", "Running": True, "ExitCode": 0, "StartedAt": "2026-11-01T00:00:00Z"}
    return {
        "/version": {"ApiVersion": "1.44"},
        "/info": found.engine,
        "/containers/json": [listed],
        "/images/json": [
            {"Id": IMAGE_ID, "RepoTags": [ENTRY["image"]]},
            {"Id": f"sha256:{'2' * 64}", "RepoTags": ["shop/unneeded:1"]},
        ],
        "/events": {"Type": "container", "timeNano": 4 * 10**18},  # so nothing is known of earlier
        f"/containers/{container_id}/json": {**found.container, "Image": IMAGE_ID, "State": state},
        f"/images/{IMAGE_ID}/json": found.image,
    }


@contextmanager
def answering(path: Path, answers: Mapping[str, Any]) -> Iterator[list[str]]:
    """Answer on a socket; gives the paths that were asked for, and fails those that have no answer."""
    heard: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.path.partition("?")[0].replace("/v1.44", ""))
            body = json.dumps(answers.get(heard[-1], {})).encode()
            self.send_response(200 if heard[-1] in answers else 500)
            self.send_header("Api-Version", "1.44")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    with ThreadingUnixStreamServer(str(path), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield heard
        finally:
            server.shutdown()
            thread.join()


def test_a_run_with_nothing_to_do_loads_neither_the_sdk_nor_requests(tmp_path: Path) -> None:
    entries, cache, socket = tmp_path / "containers.d", tmp_path / "cache", tmp_path / "engine.sock"
    settings, state = tmp_path / "dockerup.conf", cache / "state"
    entries.mkdir()
    (entries / "web.json").write_text(json.dumps({**ENTRY, "update": {"pull": False}}))
    settings.write_text(f"confdir={entries}\nprune=none\n")
    options = ["--config", str(settings), "--cache", str(cache), "--no-aws"]
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "DOCKER_HOST": f"unix://{socket}"}

    def run() -> tuple[str, list[str]]:
        command = [sys.executable, "-c", RUN, *options]
        ran = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=30)
        assert ran.returncode == 0, ran.stderr
        calls = heard.copy()
        heard.clear()
        return ran.stdout + ran.stderr, calls

    with answering(socket, engine_with_one_of_somebody()) as heard:
        said, calls = run()
        assert ("web: adopted" in said, len(calls)) == (True, 6)
        assert {"adopted.json", "in-place.json"} <= {one.name for one in state.iterdir()}
        assert run() == ("", ["/containers/json", "/images/json"])
        (state / "in-place.json").unlink()  # then any container may have been changed in place
        said, calls = run()
        assert (said, calls[:2]) == ("", ["/containers/json", "/images/json"])
        settings.write_text(f"confdir={entries}\nprune=all\n")  # what nobody needs stays for some time
        said, calls = run()
        assert (said, calls[-1]) == ("", "/events")
