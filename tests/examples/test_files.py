"""Each example lists what it says, for our parsers and for cloud-init's, and a README leads to it."""

from __future__ import annotations

import json
import re
import subprocess

import pytest

from dockerup.sources.cloudinit import means
from dockerup.sources.userdata import parse_userdata
from tests.examples.files import (
    DIRECTORY,
    Listed,
    cloud_config,
    in_files,
    in_user_data,
    scripts,
    text_of,
    written_files,
)
from tests.examples.registries import ECR, LOGIN_BY_HELPER, PRIVATE, REPOSITORY
from tests.examples.stacks import PARAMETERS

WEB: dict[str, Listed] = {"web": ("nginx:1.29", {80: 80})}
MY_APP: dict[str, Listed] = {"my-app": ("example/my-app:latest", {8080: 8080})}
IN_USER_DATA: dict[str, dict[str, Listed]] = {
    "web.yaml": WEB,
    "two-containers.yaml": {**MY_APP, "logstash-forwarder": ("example/logstash-forwarder:latest", {})},
    "several-sources.yaml": MY_APP,
    "vendor-data.yaml": {"node-exporter": ("prom/node-exporter:v1.9.1", {})},
    "mime-with-script.txt": WEB,
    "private-registry.yaml": {"my-app": (f"{PRIVATE}/{REPOSITORY}:1.4.2", {8080: 8080})},
    "ecr.yaml": {"my-app": (f"{ECR}/{REPOSITORY}:1.4.2", {8080: 8080})},
    "baked-image.yaml": {"cache": ("redis:8", {}), "my-app": ("example/my-app:1.4.2", {80: 8080})},
    "logs-to-journald.yaml": {**WEB, "my-app": ("example/my-app:1.4.2", {8080: 8080})},
    "migration-before-service.yaml": {
        "db": ("postgres:17", {}),
        "migrate": ("example/my-app:1.4.2", {}),
        "my-app": ("example/my-app:1.4.2", {80: 8080}),
    },
    "stock-image.yaml": {},
}
IN_FILES: dict[str, dict[str, Listed]] = {
    "several-sources.yaml": {"registry": ("registry:2", {5000: 5000})},
    "stock-image.yaml": WEB,
}
OTHERS = {"README.md", "bake-image.sh", *PARAMETERS}


def test_every_file_is_an_example_that_the_tests_know() -> None:
    assert {path.name for path in DIRECTORY.iterdir()} == {*IN_USER_DATA, *OTHERS}


def test_readme_leads_to_every_file() -> None:
    linked = re.findall(r"\]\(([^)]+)\)", text_of("README.md"))
    assert {"README.md", *linked} == {path.name for path in DIRECTORY.iterdir()}


@pytest.mark.parametrize("name", IN_USER_DATA)
def test_example_lists_exactly_its_containers(name: str) -> None:
    assert in_user_data(text_of(name)) == IN_USER_DATA[name]
    assert in_files(text_of(name)) == IN_FILES.get(name, {})


@pytest.mark.parametrize("name", IN_USER_DATA)
def test_cloud_init_reads_the_same_values_as_dockerup(name: str) -> None:
    ours = [item.value for item in parse_userdata(text_of(name).encode()).items]
    assert means(ours, cloud_config(text_of(name)).get("containers", []))


@pytest.mark.parametrize("name", [*IN_USER_DATA, "bake-image.sh"])
def test_example_tells_whom_it_is_for(name: str) -> None:
    assert re.search(r"^(# )?For: ", text_of(name), re.MULTILINE)


@pytest.mark.parametrize("name", [*IN_USER_DATA, *OTHERS])
def test_lines_fit_on_a_screen(name: str) -> None:
    assert [line for line in text_of(name).splitlines() if len(line) > 120 and line[0] != "|"] == []


def test_login_of_the_private_registry_is_for_no_other() -> None:
    login = {"username": "USER", "password": "PASSWORD"}
    assert cloud_config(text_of("private-registry.yaml"))["dockerup"] == {"registryAuth": {PRIVATE: login}}


def test_login_of_ecr_is_a_program_and_no_secret() -> None:
    text = text_of("ecr.yaml")
    assert json.loads(written_files(text)["/root/.docker/config.json"]) == LOGIN_BY_HELPER
    assert cloud_config(text)["packages"] == ["amazon-ecr-credential-helper"]
    assert cloud_config(text)["write_files"][0]["permissions"] == "0600"


def test_stock_image_installs_what_the_bake_script_installs() -> None:
    bake = text_of("bake-image.sh")
    installed = re.search(r"apt-get install .*\\\n(.*)\n", bake)
    assert installed
    assert installed[1].split() == cloud_config(text_of("stock-image.yaml"))["packages"]
    commands = [line.strip() for line in scripts(text_of("stock-image.yaml"))[0].splitlines()]
    shared = [line for line in commands if line[:1] not in {"#", ""} and not line.startswith("dockerup")]
    assert [line for line in shared if line not in {one.strip() for one in bake.splitlines()}] == []


def test_page_on_booting_installs_as_the_bake_script_does() -> None:
    page = (DIRECTORY.parent / "docs/boot.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```sh\n(apt-get [^`]*^dockerup setup\n)```$", page, re.MULTILINE)
    bake = text_of("bake-image.sh").replace(" --no-install-recommends \\\n   ", "")
    assert [line for line in block.splitlines() if line not in bake.splitlines()] == []


@pytest.mark.parametrize(
    "script", [text_of("bake-image.sh"), *scripts(text_of("stock-image.yaml"))], ids=["bake", "stock"]
)
def test_scripts_are_whole(script: str) -> None:
    subprocess.run(["sh", "-n"], input=script, text=True, check=True, capture_output=True)
