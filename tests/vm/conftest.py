"""The virtual machine and what is offered to it, on the loopback of a private namespace."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.testbed.images import make_image
from tests.testbed.namespace import NoNamespaceError, require_private
from tests.vm.machine import Vm
from tests.vm.offers import Offers, offered


@pytest.fixture(scope="module")
def offers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Offers]:
    """A registry that the machine trusts, and dockerup for its pip."""
    try:
        require_private()
    except NoNamespaceError as outside:
        pytest.fail(str(outside), pytrace=False)
    with offered(tmp_path_factory.mktemp("offers")) as ready:
        yield ready


@pytest.fixture(scope="module")
def vm(offers: Offers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vm]:
    """The machine before it was ever turned on."""
    machine = Vm(tmp_path_factory.mktemp("vm") / "machine", offers.push(make_image("eyes"), "eyes"))
    try:
        yield machine
    finally:
        machine.cut_power()
