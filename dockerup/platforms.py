"""Platforms: what a person writes, what an index has for it, and what a host can run. Pure.

The names are Go's, as in indexes; their other spellings are containerd's (platforms/database.go).
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

# The ELF machine of each architecture (elf.h), by which the kernel's handlers tell programs apart.
_MACHINES = {
    "amd64": 62,
    "386": 3,
    "arm64": 183,
    "arm": 40,
    "loong64": 258,
    "mips64le": 8,
    "ppc64le": 21,
    "riscv64": 243,
    "s390x": 22,
}
_SPELLINGS = {
    **{name: (name, "") for name in _MACHINES},
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "i386": ("386", ""),
    "i686": ("386", ""),
    "aarch64": ("arm64", ""),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
}
PATTERN = rf"(?:linux/)?(?:{'|'.join(sorted(_SPELLINGS))})(?:/v[1-9])?"
# The variant that an architecture without one means.
_VARIANTS = {"amd64": 1, "arm64": 8, "arm": 7}
_ALSO_RUNS = {"amd64": {"386"}, "arm64": {"arm"}}


def canonical(written: str) -> str:
    """Return the one name of a platform, given what matches PATTERN: `linux/arm64`, `linux/arm/v6`."""
    architecture, _, variant = written.replace("linux/", "", 1).partition("/")
    return _named(architecture, variant)


def _named(architecture: str, variant: str) -> str:
    name, own = _SPELLINGS.get(architecture, (architecture, ""))
    variant = variant or own
    means_none = variant.lstrip("v") == str(_VARIANTS.get(name, ""))
    return f"linux/{name}" if means_none or not variant else f"linux/{name}/{variant}"


def is_manifest(body: bytes) -> bool:
    """Tell whether an answer is a manifest or an index, and not a page of whoever is in between."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and "schemaVersion" in found


def entries_of(body: bytes) -> list[Mapping[str, Any]]:
    """Return the entries of an index, [] of what is none (image-spec's image-index.md)."""
    try:
        entries = json.loads(body)["manifests"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return []
    whole = entries if isinstance(entries, list) else []
    return [one for one in whole if isinstance(one, dict) and isinstance(one.get("platform"), dict)]


def entry_for(platform: str, entries: Iterable[Mapping[str, Any]]) -> str:
    """Return the digest of an index's entry for a platform, "" where it has none.

    Of the variants that such a host runs it is the highest, the first of several.
    """
    _, architecture, variant = f"{platform}//".split("/")[:3]
    fit = [
        (level, -number, str(entry.get("digest")))
        for number, entry in enumerate(entries)
        for found, level in [_level(entry)]
        if found == architecture and level <= _number(architecture, variant)
    ]
    return max(fit, default=(0, 0, ""))[2]


def names_of(entries: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the platforms of an index's entries, for a message."""
    found = (entry["platform"] for entry in entries)
    return sorted({_named(str(one.get("architecture")), _variant(one)) for one in found if _linux(one)})


def _variant(platform: Mapping[str, Any]) -> str:
    return str(platform.get("variant") or "")


def _linux(platform: Mapping[str, Any]) -> bool:
    return platform.get("os") == "linux"


def _level(entry: Mapping[str, Any]) -> tuple[str, int]:
    platform = entry["platform"]
    architecture = str(platform.get("architecture")) if _linux(platform) else ""
    return architecture, _number(architecture, _variant(platform))


def _number(architecture: str, variant: str) -> int:
    digits = re.search(r"[0-9]+", variant)
    return int(digits.group()) if digits else _VARIANTS.get(architecture, 0)


def cannot_run(platform: str, machine: str, handlers: Collection[str] | None) -> str:
    """Return why a host cannot run a platform, "" when it can, or when nobody can tell from here.

    `machine` is the host's own architecture, as its kernel calls it. `handlers` are the files of its
    binfmt_misc, which tell what it emulates; None: they cannot be seen. What only might run is tried: a new
    container that does not start goes back.
    """
    architecture = platform.split("/")[1]
    own = _SPELLINGS.get("arm" if machine.startswith("arm") else machine, ("", ""))[0]
    if not own or handlers is None or architecture in {own, *_ALSO_RUNS.get(own, ())}:
        return ""
    if any(_emulates(text, architecture) for text in handlers):
        return ""
    return f"{platform} cannot run here: this host is {machine}, and emulates no {architecture} (binfmt_misc)"


def _emulates(handler: str, architecture: str) -> bool:
    """Tell whether a file of binfmt_misc is a handler of programs for an architecture."""
    found = re.search(r"^magic ((?:[0-9a-f]{2}){20})", handler, re.MULTILINE)
    if not found or not handler.startswith("enabled"):
        return False
    header = bytes.fromhex(found.group(1))
    machine = int.from_bytes(header[18:20], "big" if header[5] == 2 else "little")
    return header[:4] == b"\x7fELF" and machine == _MACHINES[architecture]
