"""Which newer images have to wait: for their window, for their age, or since they failed here. Pure.

Until then an entry's image is the one that it has: what is started meanwhile starts from that.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

from dockerup import labels
from dockerup.host import Host, managed
from dockerup.images import WantedImage, of_platform, same_for_platform, wanted_image
from dockerup.memory import failed_name
from dockerup.snapshot import Image
from dockerup.spec import ContainerSpec
from dockerup.turns import failed_sibling_image
from dockerup.window import next_opening


def image_now(spec: ContainerSpec, host: Host) -> WantedImage:
    """Return the image that an entry has to run now: the newest, but for one that has to wait."""
    newest, here = wanted_image(spec, host.local, host.answers), _here(spec, host)
    memory = host.failed_image(spec.name)
    if here is None:
        return newest
    if not newest.certain and here in of_platform(spec.image, host.local, spec.name):
        return replace(_as_it_is(spec, here, host), doubt=newest.doubt)
    if memory is not None and here.image_id != memory.one.image_id:
        held = f"a newer image failed; it is tried again after {utc(memory.until)}"
        return replace(_as_it_is(spec, here, host), held=held, rolled_back=True)
    failed = failed_sibling_image(spec, host)
    if failed is not None and here.image_id != failed[1].one.image_id:
        held = f"a newer image failed in {failed[0]}; it is tried again after {utc(failed[1].until)}"
        return replace(_as_it_is(spec, here, host), held=held)
    if not newest.digest or (newest.local is not None and same_for_platform(newest.local, here)):
        return newest
    held, fetch = _held(spec, newest, host)
    if not held:
        return newest
    return replace(_as_it_is(spec, here, host), held=held, later=newest if fetch else None)


def _as_it_is(spec: ContainerSpec, here: Image, host: Host) -> WantedImage:
    return WantedImage(here, None, host.local.digest_of(here.image_id, spec.image), certain=True)


def _here(spec: ContainerSpec, host: Host) -> Image | None:
    """Return the image that an entry runs, or did before it failed with a newer one."""
    family = [
        one for one in host.families.get(spec.name, ()) if managed(one) and one.name != failed_name(spec.name)
    ]
    if not family:
        return host.local.by_tag.get(spec.image.familiar) if spec.name in host.memories else None
    newest = max(family, key=lambda one: (labels.generation(one.labels), one.running, one.container_id))
    return host.local.by_id.get(newest.image_id)


def _held(spec: ContainerSpec, newest: WantedImage, host: Host) -> tuple[str, bool]:
    """Return why a newer image has to wait, "" when it has not, and whether it may be fetched meanwhile."""
    seen = host.policy.first_seen.get(newest.digest, host.now)
    if spec.update.min_age and host.now < seen + spec.update.min_age:
        return f"a newer image is too young: minAge is reached at {utc(seen + spec.update.min_age)}", False
    windows = spec.update.windows
    if windows and not any(window.holds(host.now) for window in windows):
        opens = next_opening(windows, host.now)
        return f"a newer image waits for its window, which opens at {utc(opens)}", True
    return "", False


def utc(seconds: float) -> str:
    """Return a moment, given in seconds since the epoch, as people write it."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
