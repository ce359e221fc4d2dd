"""Which newer images have to wait: for their window, for their age, or since they failed here. Pure.

Until then an entry's image is the one that it has: what is started meanwhile starts from that.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from dockerup.again import may_start
from dockerup.due import not_due, utc
from dockerup.host import Host
from dockerup.images import WantedImage, of_platform, same_for_platform, wanted_image
from dockerup.snapshot import Container, Image
from dockerup.spec import ContainerSpec
from dockerup.turns import failed_sibling_image


def image_now(spec: ContainerSpec, host: Host, without: Collection[str] = ()) -> WantedImage:
    """Return the image that an entry has to run now: the newest, but for one that has to wait.

    `without` are the ids of containers that will not be there.
    """
    newest, latest = wanted_image(spec, host.local, host.answers), host.newest_proven(spec.name)
    here = _here(spec, latest, host)
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
    held, fetch = not_due(spec, newest.digest, host.policy.first_seen, host.now)
    if not held and latest is not None and not may_start(latest, host, without):
        held, fetch = "a newer image waits until what runs can be gone back to", True
    if not held:
        return newest
    return replace(_as_it_is(spec, here, host), held=held, later=newest if fetch else None)


def _as_it_is(spec: ContainerSpec, here: Image, host: Host) -> WantedImage:
    return WantedImage(here, None, host.local.digest_of(here.image_id, spec.image), certain=True)


def _here(spec: ContainerSpec, latest: Container | None, host: Host) -> Image | None:
    """Return the image of the container that an entry runs, None when another is asked for by now."""
    if latest is None:
        return host.local.by_tag.get(spec.image.familiar) if spec.name in host.memories else None
    return host.image_of(latest, spec)
