"""dockerup's cloud-init module: run the containers that user-data lists.

cloud-init finds it as a top-level package (its search path begins with ""). Nothing but the standard library
is imported here: an import error would end the whole stage, and every other module with it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

LOG = logging.getLogger(__name__)

meta = {"id": "cc_dockerup", "distros": ["all"], "frequency": "always"}

_INSTALL = (
    "Install dockerup for cloud-init's Python, with docker, PyYAML and requests: see README.md, At boot"
)


def handle(name: str, cfg: Mapping[str, Any], *rest: Any, **kwargs: Any) -> None:  # noqa: ARG001  # cloud-init's call
    """Run the containers that the merged config lists; raise when one of them does not come up.

    Up to 23.1 cloud-init passes (name, cfg, cloud, log, args) by position, from 23.2 by keyword without log.
    """
    cloud = kwargs["cloud"] if "cloud" in kwargs else rest[0]
    try:
        from dockerup import boot

        boot.converge(cfg.get("containers"), cfg.get("dockerup"), cloud.get_instance_id(), LOG, _stage)
    except ImportError as error:
        raise RuntimeError(f"dockerup cannot be loaded: {error}. {_INSTALL}") from error


@contextmanager
def _stage(name: str) -> Iterator[None]:
    """Show a phase in `cloud-init analyze show`."""
    from cloudinit.reporting.events import ReportEventStack

    with ReportEventStack(f"modules-final/config-dockerup/{name}", f"dockerup: {name}"):
        yield
