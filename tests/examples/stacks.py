"""CloudFormation without AWS: moto makes a stack of a template in memory, and gives its user-data back."""

from __future__ import annotations

import base64
import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import yaml

from tests.examples.files import DIRECTORY

INSTANCE = "cloudformation-instance.yaml"
AUTOSCALING = "cloudformation-autoscaling.yaml"
ECR = "cloudformation-ecr.yaml"
REGION = "eu-central-1"
DEBIAN = "/aws/service/debian/release/12/latest/amd64"
# What each stack is made with, besides the defaults.
PARAMETERS = {
    INSTANCE: {"ContainerImage": "example/my-app:7", "ContainerPort": "8080"},
    AUTOSCALING: {"ImageName": "example/my-app", "ImageTag": "7", "ContainerPort": "8080"},
    ECR: {"Repository": "team/my-app", "ImageTag": "7", "ContainerPort": "8080"},
}


def document_of(name: str) -> dict[str, Any]:
    """Return a template as JSON would have it, the short forms of functions written out."""
    decode = importlib.import_module("cfnlint.decode").decode
    document: dict[str, Any]
    document, _faults = decode(str(DIRECTORY / name))
    return document


class Stacks:
    """An AWS account in memory with a stack of each template, named after its file."""

    def __init__(self, boto3: Any) -> None:
        self._cloudformation = boto3.client("cloudformation", REGION)
        self._ec2 = boto3.client("ec2", REGION)
        self._autoscaling = boto3.client("autoscaling", REGION)
        self._iam = boto3.client("iam", REGION)
        image_id = self._ec2.describe_images()["Images"][0]["ImageId"]
        boto3.client("ssm", REGION).put_parameter(Name="image", Value=image_id, Type="String")
        self._vpc_id = self._ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        self._subnet_id = self._ec2.describe_subnets()["Subnets"][0]["SubnetId"]
        for name in PARAMETERS:
            self._cloudformation.create_stack(**self._request(name, PARAMETERS[name]))

    @classmethod
    @contextmanager
    def in_memory(cls) -> Iterator[Stacks]:
        """Give such an account, with a caller's credentials that are none."""
        with pytest.MonkeyPatch.context() as environment:
            for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
                environment.setenv(key, "testing")
            with importlib.import_module("moto").mock_aws():
                yield cls(importlib.import_module("boto3"))

    def update(self, name: str, **parameters: str) -> None:
        """Update a stack with other parameters."""
        self._cloudformation.update_stack(**self._request(name, {**PARAMETERS[name], **parameters}))

    def user_data(self, name: str) -> str:
        """Return the user-data that a stack's instances get."""
        return self.launch_template()[1] if name == AUTOSCALING else self._instance_user_data(name)

    def launch_template(self) -> tuple[str, str]:
        """Return the number and the user-data of the newest version of the launch template."""
        template = self._ec2.describe_launch_templates()["LaunchTemplates"][0]
        version = str(template["LatestVersionNumber"])
        found = self._ec2.describe_launch_template_versions(
            LaunchTemplateId=template["LaunchTemplateId"], Versions=[version]
        )["LaunchTemplateVersions"][0]
        return version, _decoded(found["LaunchTemplateData"]["UserData"])

    def group_version(self) -> str:
        """Return the version of the launch template that new instances of the group have."""
        group = self._autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"][0]
        return str(group["LaunchTemplate"]["Version"])

    def statements(self, name: str) -> list[dict[str, Any]]:
        """Return what the role of a stack's instances may do. It has no attached policy."""
        resource = self._cloudformation.describe_stack_resource(
            StackName=stack_name(name), LogicalResourceId="InstanceRole"
        )
        role = resource["StackResourceDetail"]["PhysicalResourceId"]
        assert self._iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []
        documents = [
            # moto writes a document of CloudFormation's as Python does, which YAML can read.
            yaml.safe_load(self._iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"])
            for policy in self._iam.list_role_policies(RoleName=role)["PolicyNames"]
        ]
        return [statement for document in documents for statement in document["Statement"]]

    def _instance_user_data(self, name: str) -> str:
        running = [
            one["InstanceId"]
            for reservation in self._ec2.describe_instances()["Reservations"]
            for one in reservation["Instances"]
            if {"Key": "Name", "Value": stack_name(name)} in one["Tags"]
        ]
        found = self._ec2.describe_instance_attribute(InstanceId=running[0], Attribute="userData")
        return _decoded(found["UserData"]["Value"])

    def _request(self, name: str, parameters: dict[str, str]) -> dict[str, Any]:
        # moto knows no parameters of Debian's, and lets nobody make one below /aws.
        body = (DIRECTORY / name).read_text(encoding="utf-8").replace(DEBIAN, "image")
        subnet = "SubnetIds" if name == AUTOSCALING else "SubnetId"
        values = {"VpcId": self._vpc_id, subnet: self._subnet_id, **parameters}
        return {
            "StackName": stack_name(name),
            "TemplateBody": body,
            "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()],
            "Capabilities": ["CAPABILITY_IAM"],
        }


def stack_name(name: str) -> str:
    """Return the name of a template's stack."""
    return name.partition(".")[0]


def _decoded(user_data: str) -> str:
    return base64.b64decode(user_data, validate=True).decode()
