"""User-data of an EC2 instance: whether this is one, which one, and what it was given."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from dockerup.problems import Origin, Problem
from dockerup.records import dataclass
from dockerup.sources import kept
from dockerup.sources.result import SourceResult
from dockerup.sources.variables import DISABLED_VARIABLE, ENDPOINT_VARIABLE

if TYPE_CHECKING:
    from dockerup.sources.imds import MetadataService

NAME = "user-data"
_USER_DATA = "/latest/user-data"
_INSTANCE_ID = "/latest/meta-data/instance-id"


_DMI = "sys/class/dmi/id"
_SAYS_AMAZON = ("sys_vendor", "board_vendor", "bios_vendor", "chassis_asset_tag")
_VERSIONS = ("bios_version", "product_version")
_EC2_INSTANCE_ID = re.compile(r"i-(?:[0-9a-f]{8}|[0-9a-f]{17})")
_AWS_CLOUD_ID = re.compile(r"aws(-china|-gov)?")
_LIMIT_BYTES = 1 << 22


def wanted(environ: Mapping[str, str], root: str = "/") -> bool:
    """Return whether there is a metadata service to ask, without asking it."""
    if environ.get(DISABLED_VARIABLE, "").lower() == "true":
        return False
    return bool(environ.get(ENDPOINT_VARIABLE)) or is_ec2(root)


def is_ec2(root: str = "/") -> bool:
    """Return whether this machine is an EC2 instance, from what the machine itself knows.

    The marks are those of cloud-init's `ds-identify` and of EC2's manual ("Detect whether a host is an EC2
    instance"), the strict ones: an identity that merely begins with "ec2" is one of 4096 on other clouds.
    """
    if any(_dmi(root, name) == "Amazon EC2" for name in _SAYS_AMAZON):
        return True  # Nitro and bare metal
    if any(_dmi(root, name).endswith(".amazon") for name in _VERSIONS):
        return True  # Xen, "4.11.amazon"
    identity, serial = _dmi(root, "product_uuid").lower(), _dmi(root, "product_serial").lower()
    if identity.startswith("ec2") and identity == serial:
        return True
    if _line(root, "sys/hypervisor/uuid").lower().startswith("ec2"):
        return True  # Xen without DMI
    return bool(_AWS_CLOUD_ID.fullmatch(_line(root, "run/cloud-init/cloud-id")))


def local_instance_id(root: str = "/") -> str:
    """Return the instance-id from cloud-init's record of this boot, else from DMI; "" when neither has it.

    `/var/lib/cloud` is not asked: in an image it is that of the machine the image was made from.
    """
    for found in (_line(root, "run/cloud-init/.instance-id"), _recorded_instance_id(root)):
        # Without a datasource cloud-init gives every machine the same one.
        if found and not found.startswith("iid-datasource-none"):
            return found
    tag = _dmi(root, "board_asset_tag")
    return tag if _EC2_INSTANCE_ID.fullmatch(tag) else ""


def _recorded_instance_id(root: str) -> str:
    import json

    try:
        record = json.loads(_text(root, "run/cloud-init/instance-data.json"))
        return str(record["v1"]["instance_id"] or "")
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


def _dmi(root: str, name: str) -> str:
    return _line(root, f"{_DMI}/{name}")


def _line(root: str, path: str) -> str:
    return _text(root, path).strip()


def _text(root: str, path: str) -> str:
    try:
        with open(os.path.join(root, path), "rb") as file:
            return file.read(_LIMIT_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


@dataclass(frozen=True)
class _Fetched:
    """What the service said, or why it said nothing. `instance_id` is "" when nobody knows it."""

    body: bytes
    instance_id: str
    fault: str = ""


def read_user_data(cache: str, environ: Mapping[str, str], root: str = "/") -> SourceResult:
    """Return what EC2 user-data says of containers; the last good copy's say where it cannot be read.

    No user-data (404, or empty) declares nothing. Never raises for what the service does.
    """
    fetched = _fetch(environ, root)
    if fetched.fault:
        fix = f"Check the service, its address in {ENDPOINT_VARIABLE}, or do without it: aws=false."
        problem = Problem(Origin(NAME), fetched.fault, fix)
        nothing = SourceResult(NAME, declared=True, complete=False, problems=(problem,))
        return _or_copy(nothing, cache, fetched.instance_id)
    result = _parsed(fetched.body)
    if not result.complete:
        return _or_copy(result, cache, fetched.instance_id)
    return _keep(result, cache, fetched)


def _fetch(environ: Mapping[str, str], root: str) -> _Fetched:
    from dockerup.sources import imds

    instance_id = local_instance_id(root)
    try:
        service = imds.MetadataService(imds.endpoints(environ))
        instance_id = instance_id or _asked_instance_id(service)
        return _Fetched(service.get(_USER_DATA) or b"", instance_id)
    except imds.MetadataError as error:
        return _Fetched(b"", instance_id, str(error))


def _asked_instance_id(service: MetadataService) -> str:
    from dockerup.sources import imds

    try:
        return _word(service.get(_INSTANCE_ID))
    except imds.MetadataError:
        if service.reached:
            return ""
        raise


def _word(raw: bytes | None) -> str:
    text = (raw or b"").decode("ascii", "replace").strip()
    return text if re.fullmatch(r"[\w.:-]{1,128}", text, re.ASCII) else ""


def _parsed(body: bytes) -> SourceResult:
    from dockerup.sources.userdata import parse_userdata

    return parse_userdata(body, f"{NAME} (EC2)")


def _or_copy(result: SourceResult, cache: str, instance_id: str) -> SourceResult:
    """Return what the last good copy says instead of an incomplete result, with a note that says why."""
    body = kept.read_copy(cache, instance_id) if instance_id else None
    if body is None:
        return result
    copy = _parsed(body)
    if not copy.complete:
        return result
    faults = "; ".join(map(str, result.problems))
    note = f"the last good copy of user-data is used, since what is there now cannot be: {faults}"
    return replace(copy, notes=(*copy.notes, note))


def _keep(result: SourceResult, cache: str, fetched: _Fetched) -> SourceResult:
    """Keep what was read well, be it nothing: a list that was taken away must not come back from a copy."""
    if not fetched.instance_id:
        return result
    fault = kept.write_copy(cache, fetched.instance_id, fetched.body)
    if not fault:
        return result
    return replace(result, notes=(*result.notes, f"user-data could not be kept for bad times: {fault}"))
