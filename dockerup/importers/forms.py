"""The short forms that `docker run` and Compose share: "8080:80/udp", "./data:/data:ro", "nofile=1024:2048".

Sources: docker/go-connections nat/parse.go, docker/cli opts/, the Compose specification's short syntaxes.
"""

from __future__ import annotations

import re
from typing import Any

from dockerup.importers.reading import OddError, size, size_text

_MOST_PORTS = 1000  # of one range
_PROPAGATIONS = frozenset({"shared", "slave", "private", "rshared", "rslave", "rprivate"})
_NO_MEANING = frozenset({"consistent", "cached", "delegated"})  # these are of Docker Desktop


def ports(form: str) -> list[dict[str, Any]]:
    """Return the port mappings of "[[ip:][hostPort]:]containerPort[/protocol]", where ports may be ranges."""
    rest, _, protocol = form.strip().partition("/")
    host_ip, host, inside = _port_parts(rest)
    first, last = _range(inside)
    if not host:
        return [_port(port, 0, protocol, host_ip) for port in range(first, last + 1)]
    host_first, host_last = _range(host)
    if host_last - host_first == last - first:
        count = range(last - first + 1)
        return [_port(first + i, host_first + i, protocol, host_ip) for i in count]
    if first == last:
        return [_port(first, host_first, protocol, host_ip)]  # the engine would pick one of the range
    raise OddError("the ranges of ports are not of one length")


def _port_parts(form: str) -> tuple[str, str, str]:
    found = re.fullmatch(r"\[([0-9a-fA-F:.]+)\]:([0-9-]*):([0-9-]+)", form)
    if found:
        return found[1], found[2], found[3]
    parts = form.split(":")
    if len(parts) > 3:
        raise OddError("this is not a port: write an IPv6 address in brackets")
    inside, host, host_ip = [*reversed(parts), "", ""][:3]
    return host_ip, host, inside


def _range(form: str) -> tuple[int, int]:
    found = re.fullmatch(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", form)
    if not found:
        raise OddError("this is not a port")
    first, last = int(found[1]), int(found[2] or found[1])
    if not 0 < first <= last < 65536:
        raise OddError("this is not a port from 1 to 65535, nor a range of them")
    if last - first >= _MOST_PORTS:
        raise OddError(f"these are more than {_MOST_PORTS} ports")
    return first, last


def _port(inside: int, host: int, protocol: str, host_ip: str) -> dict[str, Any]:
    mapping: dict[str, Any] = {"containerPort": inside}
    if host:
        mapping["hostPort"] = host
    if protocol and protocol != "tcp":
        mapping["protocol"] = protocol.lower()
    if host_ip:
        mapping["hostIp"] = host_ip
    return mapping


def volume(form: str) -> dict[str, Any]:
    """Return a volume of "[source:]path[:options]"; `source` is a name, or a path that may be relative.

    It is under `volume` or `hostPath`, by its form. Options without a meaning on Linux are dropped.
    """
    parts = form.split(":")
    if len(parts) == 1:
        return {"containerPath": _inside(parts[0])}
    if len(parts) > 3 or not parts[0]:
        raise OddError("this is not a volume: write source:path or source:path:options")
    is_path = parts[0].startswith((".", "/", "~"))
    mount: dict[str, Any] = {
        "hostPath" if is_path else "volume": parts[0],
        "containerPath": _inside(parts[1]),
    }
    for option in parts[2].split(",") if len(parts) == 3 else ():
        _add_option(mount, option, is_path=is_path)
    return mount


def _inside(path: str) -> str:
    if not path.startswith("/"):
        raise OddError("the path in the container is not absolute")
    return path


def _add_option(mount: dict[str, Any], option: str, *, is_path: bool) -> None:
    if option == "ro":
        mount["mode"] = "ro"
    elif option in ("z", "Z"):
        mount.setdefault("bind", {})["selinux"] = option
    elif option in _PROPAGATIONS:
        mount.setdefault("bind", {})["propagation"] = option
    elif option == "nocopy" and not is_path:
        mount.setdefault("volumeOptions", {})["noCopy"] = True
    elif option not in _NO_MEANING | {"rw", "copy", ""}:
        raise OddError("this option of a volume is not known")


def tmpfs(form: str) -> dict[str, Any]:
    """Return a tmpfs of "path[:option,...]"."""
    path, _, options = form.partition(":")
    mount: dict[str, Any] = {"containerPath": _inside(path)}
    more = []
    for option in filter(None, options.split(",")):
        name, _, value = option.partition("=")
        if name == "size" and not value.endswith("%"):
            mount["size"] = size_text(size(value))
        elif name == "mode" and re.fullmatch(r"0?[0-7]{3,4}", value):
            mount["mode"] = mode(value)
        else:
            more.append(option)
    if more:
        mount["mountOptions"] = more
    return mount


def mode(form: str) -> str:
    """Return the permissions of a file, in octal digits as people write them, as an entry has them."""
    return form.removeprefix("0o").lstrip("0").zfill(3)


def device(form: str) -> dict[str, Any]:
    """Return a device of "hostPath[:containerPath[:permissions]]"."""
    parts = form.split(":")
    if not parts[0].startswith("/") or len(parts) > 3:
        raise OddError("this is not a device with a path")
    found = {"hostPath": parts[0]}
    if len(parts) > 1 and re.fullmatch("[rwm]+", parts[1]):
        return {**found, "permissions": parts[1]}
    if len(parts) > 1 and parts[1] and parts[1] != parts[0]:
        found["containerPath"] = _inside(parts[1])
    if len(parts) > 2 and parts[2]:
        found["permissions"] = parts[2]
    return found


def ulimit(name: str, value: str) -> dict[str, Any]:
    """Return a limit of its name and "soft[:hard]"."""
    soft, _, hard = value.partition(":")
    if not re.fullmatch(r"-1|[0-9]{1,18}", soft) or not re.fullmatch(r"-1|[0-9]{1,18}", hard or soft):
        raise OddError("this is not a limit: write soft or soft:hard")
    return {"name": name, "soft": int(soft), "hard": int(hard or soft)}


def extra_host(form: str) -> dict[str, str]:
    """Return a host of "name:address" or "name=address"."""
    found = re.fullmatch(r"([^:=\s]+)[:=]\[?([^\s\]]+)\]?", form.strip())
    if not found:
        raise OddError("this is not a host and its address: write name:address")
    return {"hostname": found[1], "ipAddress": found[2]}


def restart(form: str) -> str:
    """Return a restart policy, with how often at most it starts again where that has an end: on-failure:5."""
    policy, _, most = form.strip().partition(":")
    if policy not in ("no", "always", "unless-stopped", "on-failure", "false", ""):
        raise OddError("this is not a restart policy")
    if most and not re.fullmatch("[0-9]{1,6}", most):
        raise OddError("this is not a number of restarts")
    if policy == "on-failure" and int(most or 0):
        return f"{policy}:{int(most)}"
    return "no" if policy in ("false", "") else policy
