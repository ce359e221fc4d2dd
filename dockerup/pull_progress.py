"""How far a pull is: the engine's events of one, folded into bytes, layers and a phase. Pure.

The events are those of `POST /images/create`, which its API documents as free text: the table below is what
moby writes (distribution/pull_v2.go and xfer/download.go of 20.10 to 28, daemon/containerd/progress.go of the
containerd store). Whatever else comes is passed over.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import field, replace

from dockerup.records import dataclass

WINDOW = 10.0  # seconds over which the rate is measured
_APART = 0.5  # seconds from one sample to the next
_MOST = 1 << 63  # bytes; the engine counts in 64 bits with a sign


class Phase(enum.Enum):
    """How far a layer is."""

    WAITING = "waiting"
    FETCHING = "fetching"
    AGAIN = "fetching again"  # it was cut off, and the engine itself tries again
    FETCHED = "fetched"
    READY = "ready"


@dataclass(frozen=True)
class Layer:
    """One layer: the bytes that are here, and its size, 0 while that is not known."""

    done: int = 0
    size: int = 0
    phase: Phase = Phase.WAITING


@dataclass(frozen=True)
class Progress:
    """How far the pull of an image is. `attempt` counts dockerup's own tries from 1."""

    layers: Mapping[str, Layer] = field(default_factory=dict)
    attempt: int = 1

    @property
    def done(self) -> int:
        """The bytes that are here, of those that had to be fetched."""
        return sum(layer.done for layer in self.layers.values())

    @property
    def total(self) -> int:
        """The bytes to fetch, as far as they are known."""
        return sum(max(layer.done, layer.size) for layer in self.layers.values())

    @property
    def whole(self) -> bool:
        """Whether the size of each layer is known, so that `total` grows no more."""
        open_ends = {Phase.WAITING, Phase.FETCHING, Phase.AGAIN}
        return bool(self.layers) and all(
            layer.size or layer.phase not in open_ends for layer in self.layers.values()
        )

    @property
    def fetched(self) -> bool:
        """Whether all bytes are here."""
        late = {Phase.FETCHED, Phase.READY}
        return bool(self.layers) and all(layer.phase in late for layer in self.layers.values())

    def says(self, rate: float | None = None) -> str:
        """Return it for a person, with what follows from a rate in bytes a second."""
        tries = f", try {self.attempt}" if self.attempt > 1 else ""
        if not self.total and not self.fetched:
            return f"nothing has come yet{tries}"
        if self.fetched:
            return f"{size_text(self.total)} are here, unpacking{tries}"
        parts = [f"{size_text(self.done)} of {'' if self.whole else 'at least '}{size_text(self.total)}"]
        if any(layer.phase is Phase.AGAIN for layer in self.layers.values()):
            parts.append("cut off, the engine tries again")
        elif rate is not None:
            parts.append(f"{size_text(rate)}/s")
            left = seconds_left(self, rate)
            if left is not None:
                parts.append(f"{time_text(left)} left")
        return ", ".join(parts) + tries


def advance(progress: Progress, event: object) -> Progress:
    """Return how far the pull is after an event. Never raises, and never counts fewer bytes than before."""
    if not isinstance(event, Mapping):
        return progress
    layer_id, status = event.get("id"), event.get("status")
    if not isinstance(layer_id, str) or not isinstance(status, str):
        return progress
    layer = _after(progress.layers.get(layer_id, Layer()), status, event.get("progressDetail"))
    if layer is None:
        return progress
    return replace(progress, layers={**progress.layers, layer_id: layer})


def _after(layer: Layer, status: str, detail: object) -> Layer | None:
    """Return a layer after an event, None for what tells nothing of a layer."""
    if status == "Downloading":
        return _downloading(layer, _number(detail, "current"), _number(detail, "total"))
    if status.startswith("Retrying in "):
        return replace(layer, phase=Phase.AGAIN)
    if status in {"Pulling fs layer", "Waiting"}:
        return layer
    if status in {"Verifying Checksum", "Download complete", "Extracting"}:
        return replace(layer, done=max(layer.done, layer.size), phase=Phase.FETCHED)
    if status == "Pull complete":
        return replace(layer, done=max(layer.done, layer.size), phase=Phase.READY)
    if status == "Already exists":
        return Layer(layer.done, layer.done, Phase.READY)
    return None


def _downloading(layer: Layer, current: int, total: int) -> Layer:
    """Return a layer of which so many bytes came.

    The engine counts both from where it resumed, so that the total tells where that was. And it shows a full
    bar when a download is cut off (pkg/progress/progressreader.go: "print a full progress bar when closing
    prematurely"): only what comes after tells whether all is here.
    """
    size = max(layer.size, total)
    here = current if not total else size - total + current if current < total else 0
    return Layer(max(layer.done, here), size, Phase.FETCHING)


def _number(detail: object, key: str) -> int:
    found = detail.get(key) if isinstance(detail, Mapping) else None
    if not isinstance(found, int) or isinstance(found, bool):
        return 0
    return found if 0 < found < _MOST else 0


@dataclass(frozen=True)
class Pace:
    """Samples of a pull: times in seconds, and the bytes that were here."""

    samples: tuple[tuple[float, int], ...] = ()

    def at(self, now: float, done: int) -> Pace:
        """Return the pace with another sample, without those that no longer matter."""
        if self.samples and now < self.samples[-1][0] + _APART:
            return self
        kept = [one for one in self.samples if one[0] > now - WINDOW]
        return Pace((*kept, (now, done)))

    @property
    def rate(self) -> float | None:
        """Bytes a second, None while nothing can be said."""
        if len(self.samples) < 2:
            return None
        (began, before), (now, done) = self.samples[0], self.samples[-1]
        return max(done - before, 0) / (now - began)


def seconds_left(progress: Progress, rate: float | None) -> float | None:
    """Return the seconds until all bytes are here, None while that cannot be told."""
    if not rate or not progress.whole:
        return None
    return (progress.total - progress.done) / rate


def size_text(size: float) -> str:
    """Return a number of bytes as Docker writes it: `532 B`, `12.3 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5 or unit == "GB":
            break
        size /= 1000
    return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"


def time_text(seconds: float) -> str:
    """Return a time that is still to go: `8 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
