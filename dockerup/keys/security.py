"""The keys of what a container may do to its host and others, and what it shares with them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from dockerup import kinds
from dockerup.keys import words
from dockerup.keys.row import Bonds, ContainerKey, Tell, row, to
from dockerup.kinds import Kind, refuse
from dockerup.objects import Key, Spelling, object_of
from dockerup.problems import Origin, instead

# See man 7 capabilities.
_CAPABILITIES = (
    *("AUDIT_CONTROL", "AUDIT_READ", "AUDIT_WRITE", "BLOCK_SUSPEND", "BPF", "CHECKPOINT_RESTORE", "CHOWN"),
    *("DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "IPC_LOCK", "IPC_OWNER", "KILL", "LEASE"),
    *("LINUX_IMMUTABLE", "MAC_ADMIN", "MAC_OVERRIDE", "MKNOD", "NET_ADMIN", "NET_BIND_SERVICE"),
    *("NET_BROADCAST", "NET_RAW", "PERFMON", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYSLOG", "SYS_ADMIN"),
    *("SYS_BOOT", "SYS_CHROOT", "SYS_MODULE", "SYS_NICE", "SYS_PACCT", "SYS_PTRACE", "SYS_RAWIO"),
    *("SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "WAKE_ALARM"),
)
_CAPABILITY = {
    spelt: name
    for name in ("ALL", *_CAPABILITIES)
    for long in (name, f"CAP_{name}")
    for spelt in (long, long.lower())
    if name != "ALL" or long == name
}
_OPTION = (
    r"no-new-privileges(?:[=:](?:true|false))?|systempaths[=:]unconfined|writable-cgroups(?:[=:](?:true|false))?"
    r"|apparmor[=:][^\0\s]+|label[=:][^\0\s]+|seccomp[=:](?:unconfined|builtin|\{[^\0]*\}|/[^\0\n]*)"
)


def _capabilities() -> Kind:
    one = kinds.choice(_CAPABILITY)

    def read(value: Any, origin: Origin) -> str:
        # All that there are would be too long a list in a message.
        if isinstance(value, str) and value not in _CAPABILITY:
            guess = instead(value.upper().replace("CAP_", "", 1), ("ALL", *_CAPABILITIES))
            fix = guess if guess.startswith("Did") else "Write one such as NET_ADMIN: man 7 capabilities."
            refuse(origin, f"{kinds.show(value)} is not a capability", fix)
        return str(one.read(value, origin))

    return words.several(Kind("a capability", read, one.schema), "a list of capabilities")


def _engine_capabilities(value: list[str]) -> list[str]:
    return [name if name == "ALL" else f"CAP_{name}" for name in value]


def _option(text: str, _origin: Origin) -> str:
    name, value = re.split("[=:]", f"{text}=", maxsplit=1)
    value = value[:-1] if value else ""
    if name in {"no-new-privileges", "writable-cgroups"}:
        return name if value in {"", "true"} else f"{name}=false"
    return f"{name}={value}"


def _tell_options(value: list[str], _bonds: Bonds) -> Mapping[str, Any]:
    told = [one for one in value if not one.startswith("systempaths=")]
    # As the docker command has it: the engine knows no such option, only the paths.
    paths = ("MaskedPaths", "ReadonlyPaths") if len(told) < len(value) else ()
    return {"HostConfig": {"SecurityOpt": told, **{path: [] for path in paths}}}


def _shared(says: str, modes: str) -> Kind:
    return kinds.text(says, rf"{modes}|container:{words.NAME}")


def _joined(field: str) -> Tell:
    """Return what tells a mode that may be another container's, by its id."""

    def tell(value: str, bonds: Bonds) -> Mapping[str, Any]:
        kind, _, name = value.partition(":")
        return {"HostConfig": {field: f"{kind}:{bonds.ids[name]}" if name else value}}

    return tell


_paths = words.several(kinds.text("an absolute path", r"/[^\0]*"), "a list of absolute paths")
SECURITY: Mapping[str, ContainerKey] = {
    "privileged": row(
        kinds.truth(),
        "give the container all rights over the host",
        tell=to("HostConfig.Privileged"),
        default=False,
    ),
    "capAdd": row(
        _capabilities(),
        "capabilities that it gets besides the engine's own: `[NET_ADMIN]`, `[ALL]`",
        tell=to("HostConfig.CapAdd", _engine_capabilities),
        aliases=("cap_add",),
        default=[],
    ),
    "capDrop": row(
        _capabilities(),
        "capabilities that it does not get",
        tell=to("HostConfig.CapDrop", _engine_capabilities),
        aliases=("cap_drop",),
        default=[],
    ),
    "securityOptions": row(
        words.several(
            kinds.text('an option such as "no-new-privileges"', _OPTION, also=_option), "a list of options"
        ),
        "`no-new-privileges`, `apparmor=PROFILE`, `seccomp=unconfined`, `seccomp=PATH` (a profile in a file "
        "of this host), `seccomp={...}` (a profile itself), `label=...`, `systempaths=unconfined`",
        tell=_tell_options,
        aliases=("dockerSecurityOptions", "security_opt"),
        default=[],
    ),
    "maskedPaths": row(
        _paths,
        "paths that it cannot see, instead of the engine's; `[]`: none",
        tell=to("HostConfig.MaskedPaths"),
    ),
    "readonlyPaths": row(
        _paths,
        "paths that it cannot write to, instead of the engine's; `[]`: none",
        tell=to("HostConfig.ReadonlyPaths"),
    ),
    "ipc": row(
        _shared("none, private, shareable, host or container:NAME", "none|private|shareable|host"),
        "whose shared memory it sees: `none`, `private`, `shareable`, `host` or `container:NAME`",
        tell=_joined("IpcMode"),
        aliases=("ipcMode",),
    ),
    "pid": row(
        _shared("host or container:NAME", "host"),
        "whose processes it sees, besides its own: `host` or `container:NAME`",
        tell=_joined("PidMode"),
        aliases=("pidMode",),
    ),
    "uts": row(
        kinds.choice({"host": "host"}), "`host`: it has the host's name", tell=to("HostConfig.UTSMode")
    ),
    "userns": row(
        kinds.choice({"host": "host"}),
        "`host`: it takes no part in the engine's mapping of users",
        tell=to("HostConfig.UsernsMode"),
        aliases=("userns_mode",),
    ),
    "cgroupns": row(
        kinds.choice({"host": "host", "private": "private"}),
        "whose cgroups it sees: `host` or `private` (default: as the engine is set)",
        tell=to("HostConfig.CgroupnsMode"),
        aliases=("cgroup",),
    ),
    "sysctls": row(
        words.pairs(
            "an object of names and values",
            "the name of a kernel parameter",
            r"[a-z0-9_]+(?:[./][a-zA-Z0-9_.-]+)+",
            fields=("namespace", "value"),
        ),
        "kernel parameters of its namespaces: `{net.core.somaxconn: 1024}`",
        tell=to("HostConfig.Sysctls"),
        aliases=("systemControls",),
        default={},
    ),
}
CAPABILITIES = object_of(
    {
        "add": Key(SECURITY["capAdd"].key.kind, "as `capAdd`"),
        "drop": Key(SECURITY["capDrop"].key.kind, "as `capDrop`"),
    },
    "an object of add and drop",
)


def both_capabilities(
    value: Mapping[str, Any], _origin: Origin, _own: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return what ECS's `capabilities` say as keys of ours."""
    return {f"cap{key.capitalize()}": part for key, part in value.items() if part}


SECURITY_SPELLINGS: Mapping[str, Spelling] = {
    "capabilities": Spelling(
        CAPABILITIES, "`{add, drop}`: the same as `capAdd` and `capDrop`", both_capabilities
    )
}
