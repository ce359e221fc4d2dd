"""The life of a machine that was made with the stock example: four boots of one virtual machine, one story.

Each fixture is a chapter that begins where the one before it ended; the tests ask what it came to.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from tests.boot.machine import Booted
from tests.testbed.images import Image, make_image
from tests.vm.machine import Containers, Vm
from tests.vm.offers import Offers
from tests.vm.userdata import stock_example

_CONFIG_MODULE_RAN = "config-dockerup"


@dataclass(frozen=True)
class Chapter:
    """What a boot came to: by cloud-init, by the engine, and by `dockerup status`, with its exit code."""

    booted: Booted
    containers: Containers
    status_code: int
    status: Mapping[str, object]

    @property
    def ids(self) -> dict[str, str]:
        """The ids of the running containers, by name."""
        return self.containers.running

    def assert_well(self) -> None:
        """The boot is done and not degraded, nothing complained, and all runs as listed."""
        booted = self.booted
        assert (booted.extended, booted.exit_code, booted.errors) == ("done", 0, []), booted.output
        assert not booted.loud_lines
        assert (self.status_code, self.status["whole"], self.status["problems"]) == (0, True, [])

    @property
    def module_ran(self) -> bool:
        """Whether dockerup's module was part of the boot."""
        return _CONFIG_MODULE_RAN in self.booted.log


def site(text: str) -> Image:
    """Return an image whose web server answers with that text, on the example's port."""
    command = ("httpd", "-f", "-p", "80", "-h", "/www")
    return make_image(text, command=command, files={"/www/index.html": f"{text}\n"})


def boot(vm: Vm, what: str, text: str) -> Chapter:
    """Turn the machine on, to the end of cloud-init; `text` is what its web server has to answer."""
    vm.power_on()
    answered = vm.seconds_to_answer(text)
    ended, booted = vm.seconds_to_end_of_boot()
    print(f"\n{what}: web answers {answered:.0f} s after power-on, cloud-init ended by {ended:.0f} s")
    asked = vm.run("dockerup", "status", "--json")
    return Chapter(booted, vm.containers(), asked.exit_code, json.loads(asked.stdout))


@pytest.fixture(scope="module")
def example(offers: Offers) -> str:
    """The stock example."""
    return stock_example(offers, offers.push(site("one"), "site", "1"))


@pytest.fixture(scope="module")
def first(vm: Vm, example: str) -> Chapter:
    """The first boot, on a disk that has neither Docker nor dockerup."""
    vm.seed(example, "iid-first")
    return boot(vm, "first boot", "one")


@pytest.fixture(scope="module")
def mended(vm: Vm, first: Chapter) -> Containers:
    """Someone stops the container, and nobody does anything about it."""
    vm.stop_container("web")
    assert vm.containers().running == {}
    seconds = vm.seconds_to_answer_again("one")
    print(f"\ndrift: cron's run had the web server back {seconds:.0f} s after it was stopped")
    return vm.containers()


@pytest.fixture(scope="module")
def rebooted(vm: Vm, mended: Containers) -> Chapter:
    """The power button, and on again."""
    print(f"\npower button: off after {vm.shut_down():.0f} s")
    return boot(vm, "reboot", "one")


@pytest.fixture(scope="module")
def changed(vm: Vm, rebooted: Chapter, example: str, offers: Offers) -> Chapter:
    """A power cut; before power is back, the instance's user-data has got a `containers` list as well."""
    vm.cut_power()
    image = offers.push(site("extra"), "extra")
    vm.seed(f"{example}\ncontainers:\n  - name: extra\n    image: {image}\n", "iid-first")
    return boot(vm, "power cut, user-data with a list added", "one")


@pytest.fixture(scope="module")
def made_anew(vm: Vm, changed: Chapter, offers: Offers) -> Chapter:
    """The same disk as a new instance, whose example has another name and image, and no list."""
    vm.shut_down()
    vm.seed(stock_example(offers, offers.push(site("two"), "site", "2"), name="site"), "iid-second")
    return boot(vm, "new instance with a changed example", "two")


def test_first_boot_of_a_stock_image_ends_well_with_the_container_running(first: Chapter) -> None:
    first.assert_well()
    assert not first.module_ran
    assert set(first.ids) == first.containers.names == {"web"}


def test_cron_starts_within_a_minute_what_someone_stopped(first: Chapter, mended: Containers) -> None:
    assert mended.running == first.ids


def test_reboot_brings_the_same_container_back_and_the_module_finds_it_well(
    first: Chapter, rebooted: Chapter
) -> None:
    rebooted.assert_well()
    assert rebooted.module_ran
    assert rebooted.ids == first.ids


def test_power_cut_takes_no_container_away(first: Chapter, changed: Chapter) -> None:
    changed.assert_well()
    assert changed.ids["web"] == first.ids["web"]


def test_list_added_to_the_user_data_of_the_same_instance_runs_at_the_next_boot(changed: Chapter) -> None:
    assert changed.module_ran
    assert set(changed.ids) == changed.containers.names == {"web", "extra"}


def test_changed_example_on_a_new_instance_runs_and_the_old_containers_are_gone(made_anew: Chapter) -> None:
    made_anew.assert_well()
    assert set(made_anew.ids) == made_anew.containers.names == {"site"}
