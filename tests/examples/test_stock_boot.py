"""The examples that install everything in the first boot, on a plain Debian 12 with real apt and pip."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.boot.machine import Booted, Machine, Systems
from tests.engine.stories import wait_for_answer
from tests.examples.files import text_of
from tests.examples.registries import ECR as ECR_HOST
from tests.examples.registries import offer_helper
from tests.examples.stacks import AUTOSCALING, ECR, INSTANCE, REGION, Stacks, stack_name
from tests.examples.stock import Stock, signalled
from tests.testbed.registry import Registry


@pytest.fixture(scope="module")
def user_data() -> dict[str, str]:
    """What CloudFormation makes of each template."""
    with Stacks.in_memory() as stacks:
        return {name: stacks.user_data(name) for name in (INSTANCE, AUTOSCALING, ECR)}


def module_ran(booted: Booted) -> bool:
    """Tell whether dockerup's module was part of a boot."""
    return "config-dockerup" in booted.log


def test_stock_image_s_first_boot_installs_and_runs_and_the_next_has_the_module(
    stock: Stock, systems: Systems
) -> None:
    with stock.machine() as machine:
        first = machine.boot(text_of("stock-image.yaml"))
        assert (first.extended, first.exit_code, first.errors) == ("done", 0, []), first.output
        assert not module_ran(first)
        assert set(systems.running()) == {"web"}
        wait_for_answer("example", 80)
        assert machine.exists("/etc/systemd/system/timers.target.wants/dockerup.timer")
        second = machine.boot()
        assert (second.extended, second.exit_code, second.errors) == ("done", 0, []), second.output
        assert module_ran(second)
        assert set(systems.running()) == {"web"}


def test_baked_machine_image_runs_the_list_of_its_user_data(stock: Stock, systems: Systems) -> None:
    with stock.machine() as machine:
        machine.write("/root/bake-image.sh", text_of("bake-image.sh"), 0o755)
        machine.must("/root/bake-image.sh")
        booted = machine.boot(text_of("baked-image.yaml"))
        assert (booted.extended, booted.exit_code, booted.errors) == ("done", 0, []), booted.output
        assert set(systems.running()) == {"cache", "my-app"}
        wait_for_answer("example", 80)


@pytest.fixture(scope="module")
def instance(stock: Stock, user_data: dict[str, str]) -> Iterator[tuple[Machine, Booted]]:
    """The stack's instance after its first boot."""
    with stock.machine() as machine:
        yield machine, machine.boot(user_data[INSTANCE])


def test_instance_signals_success_once_the_container_runs(
    instance: tuple[Machine, Booted], systems: Systems
) -> None:
    machine, booted = instance
    assert (booted.extended, booted.errors) == ("done", []), booted.output
    assert set(systems.running()) == {"web"}
    wait_for_answer("example", 80)
    assert signalled(machine) == {
        "--exit-code": "0",
        "--reason": "dockerup ended with 0",
        "--stack": stack_name(INSTANCE),
        "--resource": "Instance",
        "--region": REGION,
    }


def test_instance_of_the_group_signals_failure_when_its_image_is_not_to_be_had(
    instance: tuple[Machine, Booted], systems: Systems, user_data: dict[str, str]
) -> None:
    machine, _booted = instance
    systems.remove_containers()
    failing = user_data[AUTOSCALING].replace("example/my-app:7", "example/my-app:no-such")
    booted = machine.boot(failing, instance_id="iid-second")
    assert booted.state == "error"
    assert systems.running() == {}
    sent = signalled(machine)
    assert (sent["--exit-code"], sent["--resource"]) == ("1", "Group")


def test_instance_of_ecr_fetches_its_image_with_the_helper_and_signals_success(
    instance: tuple[Machine, Booted], systems: Systems, user_data: dict[str, str], registry: Registry
) -> None:
    machine, _booted = instance
    systems.remove_containers()
    offer_helper(machine, registry)
    booted = machine.boot(user_data[ECR].replace(ECR_HOST, registry.host), instance_id="iid-third")
    assert (booted.extended, booted.errors) == ("done", []), booted.output
    assert set(systems.running()) == {"web"}
    wait_for_answer("example", 80)
    assert signalled(machine)["--exit-code"] == "0"
