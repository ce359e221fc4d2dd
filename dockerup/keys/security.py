"""The keys of what a container may do to its host and others."""

from __future__ import annotations

from collections.abc import Mapping

from dockerup import kinds
from dockerup.keys.row import ContainerKey, row, to

SECURITY: Mapping[str, ContainerKey] = {
    "privileged": row(
        kinds.truth(),
        "give the container all rights over the host",
        tell=to("HostConfig.Privileged"),
        default=False,
    ),
}
