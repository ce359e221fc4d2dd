"""What `dockerup setup` does to a host, decided from what was observed there. Pure: facts in, actions out.

Only what is not yet as it has to be becomes an action, so a second run has none.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from typing import Any, Union

from dockerup.cloud_schema import with_our_keys, without_our_keys
from dockerup.problems import InvalidInputError
from dockerup.records import dataclass
from dockerup.settings import DEFAULT_CACHE, DEFAULT_CONFIG, SETTINGS, Setting, read_settings

DROP_IN = "/etc/cloud/cloud.cfg.d/90_dockerup.cfg"
CONFDIR = "/etc/dockerup/containers.d"
CRON = "/etc/cron.d/dockerup"
SERVICE = "/etc/systemd/system/dockerup.service"
TIMER = "/etc/systemd/system/dockerup.timer"
TIMER_LINK = "/etc/systemd/system/timers.target.wants/dockerup.timer"
DIRECTORIES = {"/etc/dockerup": 0o755, CONFDIR: 0o755, DEFAULT_CACHE: 0o700}
FILES = (DEFAULT_CONFIG, DROP_IN, CRON, SERVICE, TIMER, TIMER_LINK)

_AFTER = "scripts_user"
_LAST = {"final_message", "phone_home", "power_state_change"}  # these tell that the boot is over


@dataclass(frozen=True)
class File:
    """A file as it is: its text and mode; a symbolic link's text is where it leads."""

    text: str
    mode: int = 0o644


@dataclass(frozen=True)
class Facts:
    """What was observed on a host.

    `command` runs dockerup there. `final_modules` is the list of cloud-init's last stage without our drop-in,
    None without cloud-init, and `replaced_by` the file that sets it after our drop-in. `schemas` are the
    texts of cloud-init's schema files by path. `module_found`: cloud-init's Python has our module.
    `unmanaged` are the names of running containers that dockerup did not start.
    """

    command: str
    files: Mapping[str, File] = field(default_factory=dict)
    directories: Mapping[str, int] = field(default_factory=dict)
    final_modules: tuple[Any, ...] | None = None
    replaced_by: str = ""
    schemas: Mapping[str, File] = field(default_factory=dict)
    module_found: bool = True
    unmanaged: tuple[str, ...] = ()
    cron: bool = True
    systemd: bool = True


@dataclass(frozen=True)
class Write:
    """Put a file in place. `shown`: short enough to be shown before it is done."""

    path: str
    text: str
    mode: int = 0o644
    shown: bool = True

    def __str__(self) -> str:
        return f"write {self.path} ({self.mode:04o})"


@dataclass(frozen=True)
class Link:
    """Put a symbolic link in place."""

    path: str
    target: str

    def __str__(self) -> str:
        return f"link {self.path} -> {self.target}"


@dataclass(frozen=True)
class MakeDirectory:
    """Make a directory, or give it its mode."""

    path: str
    mode: int

    def __str__(self) -> str:
        return f"make directory {self.path} ({self.mode:04o})"


@dataclass(frozen=True)
class Remove:
    """Remove a file or link; a directory if it is empty, or with `whole` all that is in it."""

    path: str
    whole: bool = False

    def __str__(self) -> str:
        return f"remove {self.path}"


Action = Union[Write, Link, MakeDirectory, Remove]


@dataclass(frozen=True)
class Setup:
    """What to do, in order, and what to tell the person."""

    actions: tuple[Action, ...]
    notes: tuple[str, ...]

    def preview(self) -> Iterable[str]:
        """Return lines that show what would be done, with the texts of short files."""
        for action in self.actions:
            yield f"would {action}"
            if isinstance(action, Write) and action.shown:
                yield from (f"    {line}".rstrip() for line in action.text.splitlines())


def plan_setup(facts: Facts, *, timer: bool = False, schema: bool = True) -> Setup:
    """Return what makes the host ready: directories, settings, cloud-init's part and a run each minute."""
    by_timer = timer or TIMER in facts.files or (facts.systemd and not facts.cron)
    actions: list[Action] = [
        MakeDirectory(path, mode) for path, mode in DIRECTORIES.items() if facts.directories.get(path) != mode
    ]
    if DEFAULT_CONFIG not in facts.files:
        actions.append(Write(DEFAULT_CONFIG, default_conf(facts.unmanaged), 0o600))
    boot = [*_drop_in(facts), *(_schemas(facts) if schema and _joins_boot(facts) else ())]
    wanted = [*boot, *(_timer_files(facts.command) if by_timer else [_cron_file(facts.command)])]
    actions += [action for action in wanted if not _is_so(action, facts)]
    idle = (CRON,) if by_timer else (TIMER_LINK, TIMER, SERVICE)
    actions += [Remove(path) for path in idle if path in facts.files]
    return Setup(tuple(actions), tuple(_notes(facts, by_timer=by_timer)))


def plan_removal(facts: Facts) -> Setup:
    """Return what undoes a setup. Settings that were changed and lists of containers stay."""
    actions: list[Action] = [
        Remove(path) for path in (DROP_IN, CRON, TIMER_LINK, TIMER, SERVICE) if path in facts.files
    ]
    for path, file in facts.schemas.items():
        plain = without_our_keys(file.text)
        if plain != file.text:
            actions.append(Write(path, plain, file.mode, shown=False))
    notes = ["The containers that dockerup started go on running; nothing updates or mends them any more."]
    conf = facts.files.get(DEFAULT_CONFIG)
    if conf and _as_written(conf.text):
        actions.append(Remove(DEFAULT_CONFIG))
    elif conf:
        notes.append(f"{DEFAULT_CONFIG} was changed here, so it stays.")
    actions += [
        Remove(path, whole=path == DEFAULT_CACHE)
        for path in reversed(DIRECTORIES)
        if path in facts.directories
    ]
    return Setup(tuple(actions), tuple(notes))


def _is_so(action: Action, facts: Facts) -> bool:
    if isinstance(action, Write):
        there = facts.files.get(action.path) or facts.schemas.get(action.path)
        return there == File(action.text, action.mode)
    return isinstance(action, Link) and facts.files.get(action.path) == File(action.target)


# cloud-init


def _joins_boot(facts: Facts) -> bool:
    return facts.final_modules is not None and facts.module_found


def _drop_in(facts: Facts) -> list[Action]:
    """Return how cloud-init is told of our module: its list is replaced as a whole, or not at all."""
    modules = facts.final_modules or ()
    if not _joins_boot(facts) or any(_module_name(one) == "dockerup" for one in modules):
        return [Remove(DROP_IN)] if DROP_IN in facts.files else []
    lines = [f"  - {json.dumps(one)}\n" for one in with_our_module(modules)]
    text = (
        "# Written by `dockerup setup`: this host's own list, and dockerup in it. Lists in cloud.cfg.d\n"
        "# replace each other, so run `dockerup setup` again when the list in cloud.cfg changes.\n"
        f"cloud_final_modules:\n{''.join(lines)}"
    )
    return [Write(DROP_IN, text)]


def with_our_module(modules: Sequence[Any]) -> list[Any]:
    """Return cloud-init's list of final modules with ours after the user's scripts."""
    names = [_module_name(one) for one in modules]
    ends = [i for i, name in enumerate(names) if name in _LAST]
    at = names.index(_AFTER) + 1 if _AFTER in names else ends[0] if ends else len(names)
    return [*modules[:at], ["dockerup", "always"], *modules[at:]]


def _module_name(entry: Any) -> str:
    """Return a module's name as files are named: an entry is a name, a list, or an object; see modules.py."""
    if isinstance(entry, list) and entry:
        entry = entry[0]
    elif isinstance(entry, dict):
        entry = entry.get("name")
    return str(entry).strip().replace("-", "_").lower()


def _schemas(facts: Facts) -> Iterable[Action]:
    for path, file in facts.schemas.items():
        text = with_our_keys(file.text)
        if text is not None:
            yield Write(path, text, file.mode, shown=False)


# The settings file


def default_conf(unmanaged: Sequence[str]) -> str:
    """Return a settings file that says what each setting is, with all but `unmanaged` as by default."""
    lines = [
        "# Settings of dockerup: key=value. Flags of the same name override them (dockerup --help), and so",
        "# does a `dockerup:` block in user-data.",
    ]
    for setting in SETTINGS.values():
        if setting.of_object:
            continue
        lines += ["", f"# {setting.help}"]
        lines += (
            _unmanaged(unmanaged) if setting.key == "unmanaged" else [f"#{setting.key}={_shown(setting)}"]
        )
    return "\n".join(lines) + "\n"


def _as_written(conf: str) -> bool:
    """Tell whether a settings file says no more than what setup wrote into it."""
    said = [line for line in map(str.strip, conf.splitlines()) if line and line[0] not in "#;"]
    return said in (["unmanaged=remove"], ["unmanaged=keep"])


def _unmanaged(names: Sequence[str]) -> list[str]:
    if not names:
        return ["unmanaged=remove"]
    listed = f"# These ran here when dockerup was set up: {', '.join(names)}."
    return [listed, "# unmanaged=remove has them removed.", "unmanaged=keep"]


def _shown(setting: Setting) -> str:
    if isinstance(setting.default, bool):
        return str(setting.default).lower()
    return ",".join(setting.default) if isinstance(setting.default, tuple) else str(setting.default)


# Each minute


def _run(command: str) -> str:
    return f"{command} --config {DEFAULT_CONFIG} --cache {DEFAULT_CACHE}"


def _cron_file(command: str) -> Write:
    return Write(
        CRON,
        "# Written by `dockerup setup`. It prints, and so cron mails, only what changed or went wrong.\n"
        "SHELL=/bin/sh\n"
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
        f"* * * * * root {_run(command)}\n",
    )


def _timer_files(command: str) -> list[Action]:
    return [
        Write(SERVICE, _SERVICE_TEXT.format(run=_run(command))),
        Write(TIMER, _TIMER_TEXT),
        Link(TIMER_LINK, TIMER),
    ]


# What the job needs: the engine's socket, the network, neighbour entries (CAP_NET_ADMIN), the lock in
# /run/dockerup and its own cache. It reads /etc, cloud-init's record and root's registry logins.
_SERVICE_TEXT = """\
# Written by `dockerup setup`.
[Unit]
Description=Make this host run exactly the containers that its configuration lists
Wants=network-online.target
After=network-online.target docker.service

[Service]
Type=oneshot
ExecStart={run}
# 75: another run is at work.
SuccessExitStatus=75
RuntimeDirectory=dockerup
RuntimeDirectoryMode=0700
RuntimeDirectoryPreserve=yes
CacheDirectory=dockerup
CacheDirectoryMode=0700
UMask=0077
CapabilityBoundingSet=CAP_NET_ADMIN
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
LockPersonality=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
"""
_TIMER_TEXT = """\
# Written by `dockerup setup`.
[Unit]
Description=Run dockerup each minute

[Timer]
OnCalendar=minutely
AccuracySec=1s

[Install]
WantedBy=timers.target
"""


# What the person is told


def _notes(facts: Facts, *, by_timer: bool) -> Iterable[str]:
    yield from _boot_notes(facts)
    yield from _unmanaged_notes(facts)
    if not by_timer and not facts.cron:
        yield (
            f"Within the next minute: nothing, since there is no cron here to read {CRON}. "
            "Install cron, or run: dockerup setup --timer"
        )
        return
    who = "systemd" if by_timer else "cron"
    yield f"Within the next minute: {who} runs {_run(facts.command)}"


def _boot_notes(facts: Facts) -> Iterable[str]:
    if facts.final_modules is None:
        yield f"At the next boot: there is no cloud-init here, so only {CONFDIR} says what runs."
        return
    if not facts.module_found:
        yield (
            "At the next boot: nothing, since cloud-init's Python does not find the module cc_dockerup. "
            "Install dockerup for the system's Python, and run dockerup setup again."
        )
        return
    if facts.replaced_by:
        yield (
            f"{facts.replaced_by} sets cloud_final_modules too, and comes after {DROP_IN}: "
            "add [dockerup, always] to its list, or take the list out of it."
        )
    for path, file in facts.schemas.items():
        if with_our_keys(file.text) is None:
            yield f"{path} has a form that is not known here, so cloud-init may warn of the key containers."
    yield f"At the next boot: cloud-init runs the containers of user-data and of {CONFDIR}."


def _unmanaged_notes(facts: Facts) -> Iterable[str]:
    if not facts.unmanaged:
        return
    names = ", ".join(facts.unmanaged)
    conf = facts.files.get(DEFAULT_CONFIG)
    if conf is None:
        yield (
            f"These containers are not dockerup's and stay: {names}. "
            f"To have them removed, write unmanaged=remove into {DEFAULT_CONFIG}"
        )
    elif _removes(conf.text):
        yield (
            f"These containers are not dockerup's, and go as soon as a list says what runs here: {names}. "
            f"To keep them, write unmanaged=keep into {DEFAULT_CONFIG}"
        )


def _removes(conf: str) -> bool:
    try:
        return read_settings(conf, DEFAULT_CONFIG, {}).unmanaged == "remove"
    except InvalidInputError:
        return False  # no run does anything until the file is mended
