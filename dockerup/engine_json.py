"""What the engine's answers mean: elements of its lists and inspections, as the values of a snapshot.

Docker Engine API 1.41 and later (https://docs.docker.com/reference/api/engine/).
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from dockerup.images import is_owner_tag
from dockerup.keys import LIMITS
from dockerup.keys.network_options import options_from
from dockerup.output import cut
from dockerup.snapshot import (
    Container,
    ContainerId,
    Detail,
    Image,
    ImageEvent,
    ImageId,
    Lately,
    Mount,
    Network,
)
from dockerup.spec import Port

# A health check's times where they are 0 (the Healthcheck of POST /containers/create).
CHECK_SECONDS = 30.0  # both from one probe to the next, and for one probe
CHECK_RETRIES = 3
_NANOSECONDS = 1_000_000_000
# How it reaches registries, and where its data is.
_INFO = (
    "RegistryConfig",
    "HttpProxy",
    "HttpsProxy",
    "NoProxy",
    "DockerRootDir",
    "Architecture",
    "KernelVersion",
)


def api_version_from(raw: Mapping[str, Any]) -> str:
    """Return the version of its API that an engine tells, "1.44", from the answer of GET /version."""
    return _text(raw, "ApiVersion", r"[0-9]{1,4}\.[0-9]{1,4}")


def info_from(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return of what an engine tells of itself (GET /info) that which is asked for here."""
    return {key: value for key, value in raw.items() if key in _INFO}


def id_from(raw: Mapping[str, Any]) -> str:
    """Return the id of what an answer is about."""
    return _text(raw, "Id")


def image_id_from(raw: Mapping[str, Any]) -> ImageId:
    """Return the id of the image of a container, from the answer of GET /containers/{id}/json."""
    return ImageId(_text(raw, "Image"))


def stop_seconds_from(raw: Mapping[str, Any]) -> int | None:
    """Return the stop time of a container, None where it has none of its own, from the same."""
    own = raw["Config"].get("StopTimeout")
    return None if own is None else int(own)


def has_terminal(raw: Mapping[str, Any]) -> bool:
    """Tell whether a container has a terminal, from the same."""
    return bool(raw["Config"]["Tty"])


def _text(raw: Mapping[str, Any], key: str, pattern: str = ".+") -> str:
    """Return what cannot be left out. Raises KeyError, and ValueError for what is no text of that pattern."""
    if not isinstance(raw[key], str) or not re.fullmatch(pattern, raw[key]):
        raise ValueError(key)
    return str(raw[key])


def container_from(raw: Mapping[str, Any]) -> Container:
    """Return a container from an element of GET /containers/json."""
    container_id, status = ContainerId(id_from(raw)), str(raw.get("Status", ""))
    # A linked container is listed under its links' names too: "/web/db".
    names = [name[1:] for name in raw.get("Names") or [] if name.count("/") == 1]
    exited = re.match(r"(?:Exited|Restarting) \((\d+)\)", status)
    # go-units' HumanDuration; what is longer than a minute is rounded.
    up = re.match(r"Up (?:Less than a|(\d+)) seconds?\b", status)
    health = re.search(r"\((?:health: )?(starting|healthy|unhealthy)\)", status)
    return Container(
        container_id=container_id,
        name=min(names, default=container_id[:12]),  # one that is being removed may have none
        image_id=ImageId(str(raw.get("ImageID") or "")),
        image=str(raw.get("Image", "")),
        state=_state(raw.get("State")),
        created=int(raw.get("Created", 0)),
        exit_code=int(exited.group(1)) if exited else None,
        health=health.group(1) if health else "",
        status=status,
        up_seconds=int(up.group(1) or 0) if up else None,
        labels=_texts(raw.get("Labels")),
        ports=tuple(_port(port) for port in raw.get("Ports") or [] if port.get("PublicPort")),
        mounts=tuple(
            Mount(str(mount["Destination"]), str(mount["Name"]))
            for mount in raw.get("Mounts") or []
            if mount.get("Type") == "volume" and mount.get("Name")
        ),
        # From API 1.48 on, with containerd's store.
        part=str((raw.get("ImageManifestDescriptor") or {}).get("digest", "")),
        host_paths=tuple(
            str(mount.get("Source", "")) for mount in raw.get("Mounts") or [] if mount.get("Type") == "bind"
        ),
        networks={
            str(name): str((endpoint or {}).get("NetworkID") or "")
            for name, endpoint in ((raw.get("NetworkSettings") or {}).get("Networks") or {}).items()
        },
    )


def detail_from(raw: Mapping[str, Any], *, podman: bool = False) -> Detail:
    """Return the detail from the answer of GET /containers/{id}/json.

    podman has values of its own for what a container was not given, and changes not all that Docker does.
    """
    state, health = raw["State"], raw["State"].get("Health") or {}
    status = str(health.get("Status") or "")
    probes = health.get("Log") or []
    return Detail(
        restart=_policy(raw["HostConfig"].get("RestartPolicy") or {}),
        state=_state(state.get("Status")),
        exit_code=int(state.get("ExitCode", 0)),
        restarts=int(raw.get("RestartCount", 0)),
        error=cut(str(state.get("Error") or "")),
        out_of_memory=bool(state.get("OOMKilled")),
        health="" if status == "none" else status,
        health_output=cut(str(probes[-1].get("Output") or "")) if probes else "",
        check_seconds=_check_seconds(raw["Config"].get("Healthcheck") or {}),
        limits=None if podman else _limits(raw["HostConfig"]),
        removes_itself=bool(raw["HostConfig"].get("AutoRemove")),
        secrets=_secrets(raw),
    )


def _secrets(raw: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return the values of what the table of keys calls secrets, by its path and their names.

    Of options of one name that several volumes have, it is the last one's.
    """
    env = (one.partition("=") for one in raw["Config"].get("Env") or ())
    options = (raw["HostConfig"].get("LogConfig") or {}).get("Config")
    volumes = (one.get("VolumeOptions") or {} for one in raw["HostConfig"].get("Mounts") or ())
    drivers = [(one.get("DriverConfig") or {}).get("Options") or {} for one in volumes]
    return {
        "env": {name: value for name, _, value in env},
        "logConfiguration.options": _texts(options),
        "volumes.*.volumeOptions.driverOpts": {
            name: str(value) for of_one in drivers for name, value in of_one.items()
        },
    }


def _state(word: object) -> str:
    """Return a state in Docker's words; podman has one more until it has cleaned up after what ended."""
    return "exited" if word == "stopped" else str(word or "")


def _limits(host_config: Mapping[str, Any]) -> dict[str, str]:
    """Return the limits that a container has; of processes, 0 and -1 are none (getPidsLimit in moby)."""
    found = {field: str(host_config.get(field) or "") for field in LIMITS}
    return {field: value for field, value in found.items() if value and (field, value) != ("PidsLimit", "-1")}


def memory_from(raw: Mapping[str, Any]) -> int:
    """Return the bytes that a container holds, from GET /containers/{id}/stats, as `docker stats` counts.

    Pages of files that are not in use do not count; cgroup v1 and v2 name them differently.
    """
    memory = raw.get("memory_stats") or {}
    parts = memory.get("stats") or {}
    idle = parts.get("total_inactive_file", parts.get("inactive_file", 0))
    return max(0, int(memory.get("usage", 0)) - int(idle))


def _texts(raw: Mapping[str, Any] | None) -> dict[str, str]:
    return {str(name): str(value) for name, value in (raw or {}).items()}


def _policy(raw: Mapping[str, Any]) -> str:
    count = int(raw.get("MaximumRetryCount") or 0)
    return f"{raw['Name']}:{count}" if count else str(raw.get("Name") or "no")


def _check_seconds(check: Mapping[str, Any]) -> int:
    """Return the most seconds that a health check takes from the start to "unhealthy", 0 without one."""
    if (check.get("Test") or ["NONE"])[0] == "NONE":
        return 0
    interval, timeout = (_seconds(check, key) or CHECK_SECONDS for key in ("Interval", "Timeout"))
    retries = int(check.get("Retries") or CHECK_RETRIES)
    return math.ceil(_seconds(check, "StartPeriod") + retries * (interval + timeout))


def _seconds(check: Mapping[str, Any], key: str) -> float:
    return int(check.get(key) or 0) / _NANOSECONDS


def _port(raw: Mapping[str, Any]) -> Port:
    host_ip = str(raw.get("IP") or "")
    host_ip = str(ipaddress.ip_address(host_ip)) if host_ip else ""
    return Port(int(raw.get("PrivatePort", 0)), int(raw["PublicPort"]), str(raw.get("Type", "tcp")), host_ip)


def image_from(raw: Mapping[str, Any], *, podman: bool = False) -> Image:
    """Return an image from an element of GET /images/json.

    With containerd's image store (a feature from Engine 24.0 on, the default of 29.0) an image's id is the
    digest of its manifest or index; names by digest are among the tags, and `RepoDigests` is made up from
    one of the names, whether or not any registry has the image. It is the bare id for an image whose layers
    came here with another one, packed in another way: that has no time of creation either. podman (4 and 5)
    has the same, makes up digests for all names from all that an image is known by, and keeps ids as the
    classic store does.
    """
    image_id = ImageId(id_from(raw))
    names = sorted(name for name in raw.get("RepoTags") or [] if not name.startswith("<none>"))
    shown = sorted(name for name in raw.get("RepoDigests") or [] if not name.startswith("<none>"))
    tags = tuple(name for name in names if "@" not in name)
    if podman:
        return _of_podman(raw, names, shown)
    by_digest = any(name.endswith(image_id) for name in shown)
    digests = tuple(name for name in names if "@" in name) if by_digest else tuple(shown)
    parts = parts_from(raw)
    return Image(
        image_id=image_id,
        tags=tags,
        digests=digests,
        created=int(raw.get("Created", 0)),
        size=int(raw.get("Size", 0)),
        implied=_implied(image_id, tags, digests) if by_digest and not _was_loaded(raw) else (),
        parts=parts,
    )


def _of_podman(raw: Mapping[str, Any], names: Collection[str], shown: Collection[str]) -> Image:
    tags = tuple(name for name in names if "@" not in name)
    tagged = {tag.rpartition(":")[0] for tag in tags}
    shown = [name for name in shown if not is_owner_tag(name)]
    digests = [name for name in shown if name in names or name.partition("@")[0] not in tagged]
    return Image(
        image_id=ImageId(id_from(raw)),
        tags=tags,
        digests=tuple(digests),
        created=int(raw.get("Created", 0)),
        size=int(raw.get("Size", 0)),
        implied=tuple(name for name in shown if name not in digests),
    )


def _implied(image_id: ImageId, tags: Iterable[str], digests: Collection[str]) -> tuple[str, ...]:
    names = {f"{tag.rpartition(':')[0]}@{image_id}" for tag in tags if not is_owner_tag(tag)}
    return tuple(sorted(names - {*digests}))


def _was_loaded(raw: Mapping[str, Any]) -> bool:
    """Tell whether an image came out of an archive (`docker load`), as containerd's import notes it.

    Told from API 1.48 on; the key is of containerd's images/annotations.go.
    """
    descriptor = raw.get("Descriptor") or {}
    return "io.containerd.image.name" in (descriptor.get("annotations") or {})


def parts_from(raw: Mapping[str, Any]) -> frozenset[str]:
    """Return the digests of what is here of an image, for a platform each (`manifests`, from API 1.47 on)."""
    return frozenset(
        str(one["ID"])
        for one in raw.get("Manifests") or []
        if one.get("Available") and one.get("Kind") == "image"
    )


def network_from(raw: Mapping[str, Any]) -> Network:
    """Return a network from an element of GET /networks."""
    return Network(id_from(raw), _text(raw, "Name"), _texts(raw.get("Labels")), options_from(raw))


def event_from(raw: Mapping[str, Any]) -> tuple[float, ImageEvent | None]:
    """Return an event's time, in seconds since the epoch, and the event where it is one of an image.

    From a line of GET /events.
    """
    time = int(raw["timeNano"]) / _NANOSECONDS
    if raw["Type"] != "image":
        return time, None
    actor = raw["Actor"]
    name = (actor.get("Attributes") or {}).get("name", "")
    return time, ImageEvent(time, str(raw["Action"]), str(actor["ID"]), str(name))


def lately_from(events: Iterable[tuple[float, ImageEvent | None]], unneeded: Mapping[str, float]) -> Lately:
    """Return what is known of images from all events that the engine remembers."""
    known = list(events)
    found = tuple(event for _, event in known if event is not None)
    return Lately(found, min((time for time, _ in known), default=math.inf), unneeded)


def freed_by(deleted: Iterable[Mapping[str, str]], history: Iterable[Mapping[str, Any]]) -> int | None:
    """Return the bytes of the layers that went with an image, from DELETE's answer; None: it does not tell.

    `history` is the image's, newest first (GET /images/{name}/history). Layers go from the newest down to
    the first that another image has as well. The answer names them by ids that nothing else tells, among the
    ids of the images that went, which are in the history. With containerd's store it names no layers.
    """
    rows = list(history)
    gone = {one["Deleted"] for one in deleted if "Deleted" in one}
    if not gone:
        return 0
    layers = len(gone - {row["Id"] for row in rows}) if rows else 0
    return sum([int(row["Size"]) for row in rows if row["Size"]][:layers]) if layers else None
