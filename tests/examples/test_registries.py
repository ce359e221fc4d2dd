"""The examples for a registry that wants a login, booted with a real one at another address."""

from __future__ import annotations

import requests

from tests.boot.machine import Machine, Systems
from tests.examples.baked import boot_well
from tests.examples.files import text_of
from tests.examples.registries import ECR, PRIVATE, REPOSITORY, offer_helper
from tests.testbed.registry import Registry

LOGIN_FILE = "/root/.docker/config.json"


def assert_wants_login(registry: Registry) -> None:
    """Assert that nobody has an image of the registry without a login."""
    url = f"http://{registry.host}/v2/{REPOSITORY}/manifests/1.4.2"
    assert requests.get(url, timeout=10).status_code == 401


def test_login_in_user_data_fetches_the_image(machine: Machine, systems: Systems, registry: Registry) -> None:
    assert_wants_login(registry)
    boot_well(machine, systems, text_of("private-registry.yaml").replace(PRIVATE, registry.host))


def test_helper_that_the_boot_installs_fetches_the_image_of_ecr(
    machine: Machine, systems: Systems, registry: Registry
) -> None:
    assert_wants_login(registry)
    offer_helper(machine, registry)
    boot_well(machine, systems, text_of("ecr.yaml").replace(ECR, registry.host))
    assert machine.must("stat", "-c", "%a %U", LOGIN_FILE) == "600 root\n"
