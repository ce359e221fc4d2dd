"""The files of `dockerup setup`, on a host or in an image that does not run: observed, and written."""

from __future__ import annotations

import glob
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from dockerup.files import replace_file
from dockerup.host_setup import (
    DIRECTORIES,
    DROP_IN,
    FILES,
    SERVICE,
    TIMER,
    Action,
    Facts,
    File,
    Link,
    MakeDirectory,
    Remove,
    Write,
)
from dockerup.problems import DockerupError
from dockerup.settings import Settings

_CLOUD_CFG = "/etc/cloud/cloud.cfg"
_MODULES = "cloud_final_modules"
_PACKAGES = "usr/{lib}/python3*/{kind}-packages"
_PLACES = [(lib, kind) for lib in ("lib", "lib64", "local/lib", "local/lib64") for kind in ("dist", "site")]
_SCHEMA = "cloudinit/config/schemas/schema-cloud-config-v1.json"
_COMMANDS = ("/usr/bin/dockerup", "/usr/local/bin/dockerup", "/opt/dockerup/bin/dockerup")
_ENGINE_DATA = "/var/lib/docker/containers"
_TIMER_UNIT = os.path.basename(TIMER)


class SetupError(DockerupError):
    """A host cannot be made ready; the text says why and what to do."""


def observe(root: str, unmanaged: Iterable[str] = ()) -> Facts:
    """Return what `plan_setup` has to know of the host whose files lie below `root` ("/": this one).

    Raises SetupError when dockerup itself is not there.
    """
    schemas = [f"/{os.path.relpath(path, root)}" for path in _below(root, _SCHEMA)]
    modules, replaced_by = _final_modules(root)
    return Facts(
        command=_command(root),
        files=dict(_files(root, FILES)),
        directories=dict(_directories(root)),
        final_modules=modules,
        replaced_by=replaced_by,
        schemas=dict(_files(root, schemas)),
        module_found=_module_found(root),
        unmanaged=tuple(unmanaged),
        cron=_has(root, "/usr/sbin/cron", "/usr/sbin/crond"),
        systemd=_has(root, "/usr/lib/systemd/systemd", "/lib/systemd/systemd"),
    )


def apply(actions: Iterable[Action], root: str) -> Iterator[str]:
    """Do the actions below `root`, and give a line for each thing that was done or had to be left.

    Raises SetupError when something cannot be written.
    """
    done: list[str] = []
    for action in actions:
        try:
            said = _do(action, root)
        except OSError as error:
            reason = "only root may" if isinstance(error, PermissionError) else error.strerror
            raise SetupError(f"dockerup setup cannot {action}: {reason}") from error
        done.append(action.path)
        yield said or str(action)
    if {SERVICE, TIMER} & set(done) and root == "/" and os.path.isdir("/run/systemd/system"):
        yield from _tell_systemd()


def _do(action: Action, root: str) -> str:
    """Do one action. Return what to say instead of its own words, "" for nothing else."""
    path = _inside(root, action.path)
    if isinstance(action, MakeDirectory):
        os.makedirs(path, exist_ok=True)
        os.chmod(path, action.mode)
    elif isinstance(action, Write):
        _write(path, action)
    elif isinstance(action, Link):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with suppress(FileNotFoundError):
            os.unlink(path)
        os.symlink(action.target, path)
    else:
        return _remove(path, action)
    return ""


def _inside(root: str, path: str) -> str:
    """Return a path of the host as one of this machine. A link in an image must not lead out of the image."""
    top = os.path.realpath(root)
    parent = os.path.realpath(os.path.join(top, os.path.dirname(path).lstrip("/")))
    if os.path.commonpath([top, parent]) != top:
        raise SetupError(f"{os.path.dirname(path)} leads out of {root}: run dockerup setup inside of it")
    return os.path.join(parent, os.path.basename(path))


def _write(path: str, action: Write) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    replace_file(path, action.text.encode("utf-8", "surrogateescape"), action.mode)


def _remove(path: str, action: Remove) -> str:
    if os.path.islink(path) or not os.path.isdir(path):
        os.unlink(path)
    elif action.whole:
        shutil.rmtree(path)
    elif os.listdir(path):
        return f"leave {action.path}, which is not empty"
    else:
        os.rmdir(path)
    return ""


def _tell_systemd() -> Iterator[str]:
    verb = ["restart"] if os.path.exists(TIMER) else ["stop"]
    for words in (["daemon-reload"], [*verb, _TIMER_UNIT]):
        subprocess.run(["systemctl", *words], check=False, stdin=subprocess.DEVNULL)  # noqa: S603, S607  # fixed words
        yield f"systemctl {' '.join(words)}"


# Observing


def unmanaged_now(settings: Settings, environ: Mapping[str, str]) -> list[str]:
    """Return the names of the containers that run on this host's engine and that dockerup did not start.

    An engine that does not answer has none if it never had any.
    """
    from dockerup.connection import connect
    from dockerup.desired import Desired
    from dockerup.engine_error import EngineError
    from dockerup.host import Host, Policy, managed, protection
    from dockerup.state import Cache

    nothing = Desired(())
    try:
        with connect(settings, Cache(os.devnull), environ) as host:  # a dry run leaves nothing
            observed = host.observe(nothing)
    except EngineError:
        count = len(os.listdir(_ENGINE_DATA)) if os.path.isdir(_ENGINE_DATA) else 0
        return [f"{count} containers of an engine that does not answer now"] if count else []
    view = Host.of(nothing, observed, {}, Policy(ignore=settings.ignore), 0.0)
    running = (one for one in observed.containers if one.running and not managed(one))
    return sorted(one.name for one in running if not protection(one, view))


def _files(root: str, paths: Iterable[str]) -> Iterator[tuple[str, File]]:
    for path in paths:
        here = _inside(root, path)
        with suppress(FileNotFoundError):
            if os.path.islink(here):
                yield path, File(os.readlink(here))
                continue
            with open(here, encoding="utf-8", errors="surrogateescape", newline="") as file:
                mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
                yield path, File(file.read(), mode)


def _directories(root: str) -> Iterator[tuple[str, int]]:
    for path in DIRECTORIES:
        with suppress(FileNotFoundError):
            yield path, stat.S_IMODE(os.stat(_inside(root, path)).st_mode)


def _has(root: str, *paths: str) -> bool:
    return any(os.path.lexists(os.path.join(root, path.lstrip("/"))) for path in paths)


def _below(root: str, inner: str) -> list[str]:
    """Return where something lies in the directories of Python packages."""
    places = [_PACKAGES.format(lib=lib, kind=kind) for lib, kind in _PLACES]
    found = [path for place in places for path in glob.glob(os.path.join(glob.escape(root), place, inner))]
    # /usr/lib64 may be a link to /usr/lib.
    return sorted({os.path.realpath(path): path for path in found}.values())


def _module_found(root: str) -> bool:
    """Tell whether the Python that has cloud-init has our module too, as a package or by a .pth file."""
    pythons = {_python_of(path) for path in _below(root, "cloudinit/__init__.py")}
    found = _below(root, "cc_dockerup/__init__.py") + [
        path for path in _below(root, "*.pth") if _names_our_module(path, root)
    ]
    return any(_python_of(path) in pythons for path in found)


def _python_of(path: str) -> str:
    """Return which Python looks into a directory of packages; Debian's one system Python has all `dist`."""
    match = re.search(r"/(python3[0-9.]*)/(dist|site)-packages/", path)
    return "" if match is None else match[1] if match[2] == "site" else "dist"


def _names_our_module(pth: str, root: str) -> bool:
    with open(pth, encoding="utf-8", errors="replace") as file:
        lines = [line.strip() for line in file]
    return any("dockerup" in line for line in lines if line.startswith("import ")) or any(
        os.path.isdir(os.path.join(root, line.lstrip("/"), "cc_dockerup"))
        for line in lines
        if line[:1] == "/"
    )


def _command(root: str) -> str:
    """Return the command of this very installation, or of the one in an image."""
    if os.path.realpath(root) == "/":
        own = os.path.abspath(sys.argv[0])
        return own if os.path.basename(own) == "dockerup" else f"{sys.executable} -m dockerup"
    for path in _COMMANDS:
        if _has(root, path):
            return path
    if _below(root, "dockerup/__main__.py"):
        return "/usr/bin/python3 -m dockerup"
    raise SetupError(f"dockerup is not installed in {root}: install it there first")


def _final_modules(root: str) -> tuple[tuple[Any, ...] | None, str]:
    """Return cloud-init's list of final modules without our drop-in, and the file that sets it after ours.

    Later files of `cloud.cfg.d` go before earlier ones, and those before cloud.cfg: cloud-init's util.py,
    `read_conf_with_confd`.
    """
    cfg = _yaml(root, _CLOUD_CFG)
    if cfg is None:
        return None, ""
    confd = str(cfg.get("conf_d") or f"{_CLOUD_CFG}.d")
    modules, last = cfg.get(_MODULES), ""
    for name in sorted(_listed(root, confd)):
        path = os.path.join(confd, name)
        found = None if path == DROP_IN else (_yaml(root, path) or {}).get(_MODULES)
        if found is not None:
            modules, last = found, path
    return tuple(modules) if isinstance(modules, list) else (), last if last > DROP_IN else ""


def _listed(root: str, directory: str) -> list[str]:
    try:
        names = os.listdir(os.path.join(root, directory.lstrip("/")))
    except OSError:
        return []
    return [name for name in names if name.endswith(".cfg")]


def _yaml(root: str, path: str) -> Mapping[str, Any] | None:
    """Return a mapping as cloud-init would read it, {} for what is none, None where there is no file."""
    import yaml

    try:
        with open(_inside(root, path), "rb") as file:
            found = yaml.safe_load(file)
    except FileNotFoundError:
        return None
    except (yaml.YAMLError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
