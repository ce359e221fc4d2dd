"""Tiny images, made byte by byte from busybox: no build, no engine, the same bytes each time.

The formats are the image manifest version 2, schema 2 (distribution's docs/spec/manifest-v2-2.md) and the
archive that `docker load` reads (moby's image/spec/v1.2.md).
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import io
import json
import platform
import shutil
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.testbed.waiting import TestbedError

CREATED = "2020-01-01T00:00:00Z"
SECOND = 1_000_000_000  # nanoseconds, in which the engine counts a health check's times

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG = "application/vnd.docker.container.image.v1+json"
_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}


@dataclass(frozen=True)
class Layer:
    """One layer: the tar, as it is and packed."""

    tar: bytes
    packed: bytes


@dataclass(frozen=True)
class Image:
    """An image as bytes, in no engine and no registry yet."""

    config: bytes
    layers: tuple[Layer, ...]

    @property
    def id(self) -> str:
        """The image's id in an engine with the classic store."""
        return digest_of(self.config)

    @property
    def manifest(self) -> bytes:
        """The manifest that registries keep."""
        layers = [_descriptor(_LAYER, layer.packed) for layer in self.layers]
        document = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": _descriptor(_CONFIG, self.config),
            "layers": layers,
        }
        return _json(document)

    @property
    def digest(self) -> str:
        """The manifest's digest: what a registry answers for a tag and `RepoDigests` holds after a pull."""
        return digest_of(self.manifest)

    @property
    def blobs(self) -> tuple[bytes, ...]:
        """What a registry must hold before it takes the manifest."""
        return (self.config, *(layer.packed for layer in self.layers))

    def archive(self, reference: str) -> bytes:
        """Return the tar that `docker load` takes, which gives the image that reference."""
        layers = {f"{number}.tar": layer.tar for number, layer in enumerate(self.layers)}
        entry = {"Config": "config.json", "RepoTags": [reference], "Layers": list(layers)}
        return _tar({"manifest.json": _json([entry]), "config.json": self.config, **layers})


def make_image(
    version: str = "1",
    *,
    command: Sequence[str] = ("sleep", "1000000"),
    entrypoint: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    volumes: Sequence[str] = (),
    ports: Sequence[str] = (),
    labels: Mapping[str, str] | None = None,
    stop_signal: str = "SIGKILL",
    health: Mapping[str, Any] | None = None,
    files: Mapping[str, str] | None = None,
    created: str = CREATED,
    architecture: str = "",
) -> Image:
    """Return an image with busybox and a file `/version`, which makes each version another image.

    `ports` are as "8080/tcp". `health` is the config's Healthcheck, see `health_check`. `files` are texts by
    absolute path, all executable. It says that it is for this machine, or for another `architecture`.
    Containers stop at once, since SIGKILL is the stop signal: process 1 of a
    container takes no SIGTERM that it has no handler for, and the engine would wait ten seconds for it.
    """
    own_files = {"version": f"{version}\n", **(files or {})}
    layers = (
        _busybox_layer(),
        _layer(_tar({path.lstrip("/"): text.encode() for path, text in own_files.items()})),
    )
    settings: dict[str, Any] = {
        "Cmd": list(command),
        "Entrypoint": list(entrypoint) or None,
        "Env": [f"{key}={value}" for key, value in {"PATH": "/bin", **(env or {})}.items()],
        "Volumes": {path: {} for path in volumes} or None,
        "ExposedPorts": {port: {} for port in ports} or None,
        "Labels": dict(labels or {}) or None,
        "StopSignal": stop_signal,
        "Healthcheck": health,
    }
    return Image(_json(_config(settings, layers, created, architecture or own_architecture())), layers)


def make_web_image(version: str = "1", **more: Any) -> Image:
    """Return an image that serves its version as a line on port 8080; `more` is as for `make_image`."""
    files = {"/www/index.html": f"{version}\n", **more.pop("files", {})}
    command = ("httpd", "-f", "-p", "8080", "-h", "/www")
    return make_image(version, command=command, ports=("8080/tcp",), files=files, **more)


def make_job_image(version: str = "1", *, exit_code: int = 0, **more: Any) -> Image:
    """Return an image whose container says its version and ends at once with that exit code."""
    return make_image(version, command=("sh", "-c", f"cat /version; exit {exit_code}"), **more)


def health_check(
    command: str, *, interval: float = 0.2, timeout: float = 30.0, retries: int = 2, start_period: float = 0.0
) -> Mapping[str, Any]:
    """Return an image config's Healthcheck that runs a shell command; the times are in seconds.

    A program that is slow to start on a busy machine must not make a container ill: hence the `timeout`.
    """
    return {
        "Test": ["CMD-SHELL", command],
        "Interval": int(interval * SECOND),
        "Timeout": int(timeout * SECOND),
        "Retries": retries,
        "StartPeriod": int(start_period * SECOND),
    }


def digest_of(data: bytes) -> str:
    """Return the digest of bytes as registries write it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def own_architecture() -> str:
    """Return what images call the architecture of this machine."""
    machine = platform.machine()
    return _ARCHITECTURES.get(machine, machine)


def _config(
    settings: Mapping[str, Any], layers: Sequence[Layer], created: str, architecture: str
) -> Mapping[str, Any]:
    return {
        "architecture": architecture,
        "os": "linux",
        "created": created,
        "config": {key: value for key, value in settings.items() if value is not None},
        "rootfs": {"type": "layers", "diff_ids": [digest_of(layer.tar) for layer in layers]},
        "history": [{"created": created, "created_by": "testbed"} for _layer in layers],
    }


@functools.lru_cache(maxsize=1)
def _busybox_layer() -> Layer:
    program = shutil.which("busybox", path="/bin:/usr/bin:/usr/local/bin")
    if program is None:
        raise TestbedError("there is no busybox. Run: apt-get install -y busybox-static")
    with open(program, "rb") as file:
        data = file.read()
    if b"/ld-linux" in data[:4096] or b"/ld-musl" in data[:4096]:
        raise TestbedError(f"{program} needs shared libraries. Run: apt-get install -y busybox-static")
    listed = subprocess.run([program, "--list"], capture_output=True, check=True, text=True).stdout.split()
    links = {f"bin/{name}": "busybox" for name in listed if name != "busybox"}
    return _layer(_tar({"bin/busybox": data}, links, directories=("tmp", "etc", "www")))


def _layer(tar: bytes) -> Layer:
    return Layer(tar, gzip.compress(tar, compresslevel=1, mtime=0))


def _tar(
    files: Mapping[str, bytes], links: Mapping[str, str] | None = None, directories: Sequence[str] = ()
) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in directories:
            archive.addfile(_entry(path, type=tarfile.DIRTYPE))
        for path, data in files.items():
            archive.addfile(_entry(path, size=len(data)), io.BytesIO(data))
        for path, target in (links or {}).items():
            archive.addfile(_entry(path, type=tarfile.SYMTYPE, linkname=target))
    return buffer.getvalue()


def _entry(path: str, **values: Any) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path)
    entry.mode = 0o755
    for name, value in values.items():
        setattr(entry, name, value)
    return entry


def _descriptor(media_type: str, data: bytes) -> Mapping[str, Any]:
    return {"mediaType": media_type, "size": len(data), "digest": digest_of(data)}


def _json(document: object) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
