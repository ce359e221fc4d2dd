"""A private image registry: Debian's docker-registry on loopback, with a push that needs no engine."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from requests import Response, Session

from tests.testbed.images import Image, digest_of
from tests.testbed.waiting import THRIFTY, Program, TestbedError, free_port

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_MANIFEST_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
_ACCESS = re.compile(r'"((?:GET|HEAD|PUT|POST|PATCH|DELETE) \S+) HTTP/')


@dataclass(frozen=True)
class Pushed:
    """An image in the registry: the reference to write in a configuration, and the manifest's digest."""

    reference: str
    digest: str
    id: str

    @property
    def by_digest(self) -> str:
        """The reference that names exactly this image, whatever its tag says later."""
        return f"{self.reference.rpartition(':')[0]}@{self.digest}"


class Registry:
    """A registry in a directory of its own. Its port stays the same over restarts."""

    def __init__(
        self, directory: Path, config: Mapping[str, Any] | None = None, bind: str = "127.0.0.1"
    ) -> None:
        """`config` is added to the registry's configuration (distribution's docs/configuration.md).

        `bind` is the address to listen at: one of IPv6 in brackets, as in a reference.
        """
        directory.mkdir(parents=True)
        self.directory = directory
        port = free_port()
        self.host = f"{bind if ':' in bind else '127.0.0.1'}:{port}"
        self._config = directory / "config.yml"
        self._log = directory / "log"
        self._program: Program | None = None
        self._session = Session()
        self._session.trust_env = False  # a proxy or a .netrc of the person who runs the tests
        document: dict[str, Any] = {
            "version": "0.1",
            "storage": {
                "filesystem": {"rootdirectory": str(directory / "data")},
                "delete": {"enabled": True},
            },
            **(config or {}),
        }
        document["http"] = {"addr": f"{bind}:{port}", **document.get("http", {})}
        self._config.write_text(json.dumps(document))

    @property
    def runs(self) -> bool:
        """Whether the registry was started and not stopped."""
        return self._program is not None

    def start(self) -> None:
        """Start the registry, which answers when this returns."""
        self._program = Program(["docker-registry", "serve", str(self._config)], self._log, THRIFTY)
        self._program.wait_until_ready(self._answers)

    def stop(self) -> None:
        """End the registry; what was pushed stays for the next start."""
        if self._program:
            self._program.terminate()
            self._program = None
        self._session.close()

    def restart(self) -> None:
        """End the registry and start it again at the same port."""
        self.stop()
        self.start()

    def reference(self, name: str, tag: str = "latest") -> str:
        """Return how a configuration writes an image of this registry."""
        return f"{self.host}/{name}:{tag}"

    def push(self, image: Image, name: str, tag: str = "latest") -> Pushed:
        """Put an image under `name:tag`, as someone elsewhere would: no engine on this host knows of it.

        The protocol is distribution's docs/spec/api.md. Raises TestbedError when the registry refuses.
        """
        base = f"http://{self.host}/v2/{name}"
        for data, digest in _named_blobs(image):
            if self._session.head(f"{base}/blobs/{digest}").status_code != 200:
                place = self._expect(202, "POST", f"{base}/blobs/uploads/").headers["Location"]
                self._expect(201, "PUT", place, params={"digest": digest}, data=data)
        media_type = json.loads(image.manifest)["mediaType"]
        headers = {"Content-Type": media_type}
        self._expect(201, "PUT", f"{base}/manifests/{tag}", data=image.manifest, headers=headers)
        return Pushed(self.reference(name, tag), image.digest, image.id)

    def push_index(self, images: Mapping[str, Image], name: str, tag: str = "latest") -> Pushed:
        """Put a manifest list under `name:tag` that names an image for each architecture ("amd64")."""
        entries = []
        for architecture, image in images.items():
            self.push(image, name, f"{tag}-{architecture}")
            what = {"mediaType": _MANIFEST, "size": len(image.manifest), "digest": image.digest}
            entries.append({**what, "platform": {"architecture": architecture, "os": "linux"}})
        document = {"schemaVersion": 2, "mediaType": _MANIFEST_LIST, "manifests": entries}
        raw = json.dumps(document).encode()
        url = f"http://{self.host}/v2/{name}/manifests/{tag}"
        self._expect(201, "PUT", url, data=raw, headers={"Content-Type": _MANIFEST_LIST})
        return Pushed(self.reference(name, tag), digest_of(raw), "")

    def delete(self, pushed: Pushed) -> None:
        """Remove an image's manifest, and with it every tag that named it."""
        name = pushed.reference.partition("/")[2].rpartition(":")[0]
        self._expect(202, "DELETE", f"http://{self.host}/v2/{name}/manifests/{pushed.digest}")

    def requests(self) -> list[str]:
        """Return what clients asked for since the registry was first started, as `HEAD /v2/web/...`."""
        return _ACCESS.findall(self.log())

    def log(self) -> str:
        """Return all that the registry wrote since it was first started."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def _expect(self, status: int, method: str, url: str, **more: Any) -> Response:
        response = self._session.request(method, url, timeout=30, **more)
        if response.status_code != status:
            raise TestbedError(f"registry: {method} {url}: {response.status_code} {response.text}")
        return response

    def _answers(self) -> bool:
        host, _colon, port = self.host.rpartition(":")
        with suppress(OSError), socket.create_connection((host.strip("[]"), int(port))):
            return True
        return False


def _named_blobs(image: Image) -> list[tuple[bytes, str]]:
    described = json.loads(image.manifest)
    digests = [described["config"]["digest"], *(layer["digest"] for layer in described["layers"])]
    return list(zip(image.blobs, digests))
