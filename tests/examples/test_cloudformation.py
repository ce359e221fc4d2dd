"""The CloudFormation templates as CloudFormation reads them; moto stands in for AWS, which cannot be had."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.examples.files import (
    DIRECTORY,
    cloud_config,
    in_files,
    in_user_data,
    scripts,
    text_of,
    written_files,
)
from tests.examples.registries import ECR as ECR_HOST
from tests.examples.registries import LOGIN_BY_HELPER
from tests.examples.stacks import (
    AUTOSCALING,
    DEBIAN,
    ECR,
    INSTANCE,
    REGION,
    Stacks,
    document_of,
    stack_name,
)

# Warnings of moto and botocore are not ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore")
TEMPLATES = (INSTANCE, AUTOSCALING, ECR)
SIGNALS = {INSTANCE: "Instance", AUTOSCALING: "Group", ECR: "Instance"}
IMAGES = {
    INSTANCE: "example/my-app:7",
    AUTOSCALING: "example/my-app:7",
    ECR: f"{ECR_HOST}/team/my-app:7",
}


@pytest.fixture(scope="module")
def stacks() -> Iterator[Stacks]:
    """A stack of each template."""
    with Stacks.in_memory() as ready:
        yield ready


@pytest.mark.parametrize("name", TEMPLATES)
def test_cfn_lint_finds_nothing(name: str) -> None:
    found = importlib.import_module("cfnlint.api").lint_file(DIRECTORY / name)
    assert [str(one) for one in found] == []


@pytest.mark.parametrize("name", TEMPLATES)
def test_user_data_is_text_that_lists_the_container_of_the_parameters(stacks: Stacks, name: str) -> None:
    user_data = stacks.user_data(name)
    assert user_data.startswith("#cloud-config\n")
    assert in_files(user_data) == {"web": (IMAGES[name], {80: 8080})}
    assert in_user_data(user_data) == {}


@pytest.mark.parametrize("name", TEMPLATES)
def test_variables_of_the_template_and_of_the_shell_do_not_collide(stacks: Stacks, name: str) -> None:
    user_data = stacks.user_data(name)
    assert set(re.findall(r"\$\{.*?\}", user_data)) == {"${venv}"}
    for script in scripts(user_data):
        subprocess.run(["sh", "-n"], input=script, text=True, check=True, capture_output=True)


@pytest.mark.parametrize("name", TEMPLATES)
def test_user_data_keeps_ec2_s_limit(stacks: Stacks, name: str) -> None:
    assert len(stacks.user_data(name).encode()) < 16384


@pytest.mark.parametrize("name", TEMPLATES)
def test_signal_goes_to_the_resource_that_waits_for_it(stacks: Stacks, name: str) -> None:
    last = scripts(stacks.user_data(name))[-1]
    signal = re.search(r"--stack '(.*?)' --resource (\w+) --region '(.*?)'", last)
    assert signal
    assert signal.groups() == (stack_name(name), SIGNALS[name], REGION)
    assert "ResourceSignal" in document_of(name)["Resources"][SIGNALS[name]]["CreationPolicy"]


@pytest.mark.parametrize("name", TEMPLATES)
def test_instances_speak_imdsv2_only(name: str) -> None:
    resources = document_of(name)["Resources"]
    if name == AUTOSCALING:
        properties = resources["LaunchTemplate"]["Properties"]["LaunchTemplateData"]
    else:
        properties = resources["Instance"]["Properties"]
    assert properties["MetadataOptions"] == {"HttpTokens": "required", "HttpPutResponseHopLimit": 1}


@pytest.mark.parametrize("name", [INSTANCE, AUTOSCALING])
def test_role_of_the_instances_may_do_nothing(stacks: Stacks, name: str) -> None:
    assert stacks.statements(name) == []


def test_role_of_ecr_s_instance_may_fetch_images_of_its_repository_and_nothing_else(stacks: Stacks) -> None:
    fetch = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability"]
    repository = f"arn:aws:ecr:{REGION}:123456789012:repository/team/my-app"
    assert stacks.statements(ECR) == [
        {"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"},
        {"Effect": "Allow", "Action": fetch, "Resource": repository},
    ]
    in_comment = text_of("ecr.yaml").partition("\n#   {\n")[2].partition("\n#   }\n")[0]
    policy = json.loads("{" + in_comment.replace("\n#", "\n").lstrip("#") + "}")
    assert policy["Statement"] == stacks.statements(ECR)


def test_ecr_s_instance_is_given_a_helper_in_place_of_a_secret(stacks: Stacks) -> None:
    user_data = stacks.user_data(ECR)
    assert json.loads(written_files(user_data)["/root/.docker/config.json"]) == LOGIN_BY_HELPER
    assert "amazon-ecr-credential-helper" in cloud_config(user_data)["packages"]


@pytest.mark.parametrize("name", TEMPLATES)
def test_machine_image_is_debian_s_newest(name: str) -> None:
    assert document_of(name)["Parameters"]["ImageId"]["Default"] == DEBIAN


def test_another_tag_makes_a_version_that_the_group_rolls_to(stacks: Stacks) -> None:
    before = stacks.group_version()
    stacks.update(AUTOSCALING, ImageTag="8")
    version, user_data = stacks.launch_template()
    assert in_files(user_data)["web"][0] == "example/my-app:8"
    assert stacks.group_version() == version != before
    stacks.update(AUTOSCALING)  # as the other tests expect it


def test_rolling_update_waits_for_each_signal_and_keeps_all_in_service() -> None:
    rolling = document_of(AUTOSCALING)["Resources"]["Group"]["UpdatePolicy"]["AutoScalingRollingUpdate"]
    assert (rolling["WaitOnResourceSignals"], rolling["MaxBatchSize"]) == (True, 1)
    assert rolling["MinInstancesInService"] == {"Ref": "Instances"}
    defaults = {name: one.get("Default") for name, one in document_of(AUTOSCALING)["Parameters"].items()}
    assert defaults["Instances"] < defaults["MostInstances"]


@pytest.mark.parametrize("name", TEMPLATES)
def test_first_boot_has_cfn_signal_before_it_can_fail(stacks: Stacks, name: str) -> None:
    config: dict[str, Any] = cloud_config(stacks.user_data(name))
    assert "docker.io" in config["packages"]
    assert [command.split()[0] for command in config["runcmd"][:2]] == ["python3", "/opt/aws/bin/pip"]
    words = config["runcmd"][-1]
    assert words.index("dockerup apply") < words.index("code=$?") < words.index("cfn-signal --exit-code")
