"""Task definitions of Amazon ECS, as registered or as `aws ecs describe-task-definition` prints them.

Source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_TaskDefinition.html and the types it
leads to. Amounts of memory are MiB there, times are seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dockerup import document
from dockerup.importers.draft import Draft, Entry, Imported, Table, fill, not_here
from dockerup.importers.ecs_container import LEAST_SHARES, bring_container
from dockerup.importers.ecs_volumes import bring_mounts
from dockerup.importers.reading import OddError, listed, mapped, text
from dockerup.problems import DockerupError

_ENDS = frozenset({"COMPLETE", "SUCCESS"})
# agent/api/task/task.go: ApplyRegionToContainer, initializeContainersV4MetadataEndpoint
_ENV_OF_THE_AGENT = (
    "the ECS agent also put AWS_REGION, AWS_DEFAULT_REGION and ECS_CONTAINER_METADATA_URI_V4 into env. Write "
    "the region there for what needs it; metadata of a task there are none"
)
_RECORD = frozenset(
    {
        "taskDefinitionArn",
        "revision",
        "status",
        "compatibilities",
        "requiresAttributes",
        "registeredAt",
        "registeredBy",
        "deregisteredAt",
        "requiresCompatibilities",
        "tags",
    }
)


def imported(source: str, written: str) -> Imported:
    """Return what a task definition means here.

    Raises InvalidInputError for what is no JSON, DockerupError for what is no task definition.
    """
    task = _task(document.load(written, source).value, source)
    said = Draft()
    fill(said, {key: value for key, value in task.items() if key not in _RECORD}, _TASK)
    names = [str(one.get("name") or "") for one in _containers(task)]
    drafts = [_container(one, task) for one in _containers(task)]
    _share_network(drafts, task, said)
    _share_namespaces(drafts, task)
    _share_cpu(drafts, task, said)
    said.said("", _ENV_OF_THE_AGENT)
    _say_of_ends(drafts, _containers(task), said)
    entries = _with_restart(drafts, _waited_for(drafts))
    if len(set(names)) < len(names):
        said.decide("containerDefinitions", "two containers have one name")
    family = text(task["family"]) if isinstance(task.get("family"), str) else source
    return Imported(f"the ECS task definition {family} in {source}", tuple(entries), tuple(said.notes))


def _task(value: Any, source: str) -> dict[str, Any]:
    """Return the task definition, be it wrapped, plain, or a list of container definitions alone."""
    if isinstance(value, dict) and isinstance(value.get("taskDefinition"), dict):
        value = value["taskDefinition"]
    if isinstance(value, list):
        value = {"containerDefinitions": value}
    if not isinstance(value, dict) or not isinstance(value.get("containerDefinitions"), list):
        raise DockerupError(f"{source}: this is no task definition: it has no list containerDefinitions")
    return {key: part for key, part in value.items() if part is not None}


def _containers(task: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [one for one in task["containerDefinitions"] if isinstance(one, dict)]


def _container(written: Mapping[str, Any], task: Mapping[str, Any]) -> Draft:
    name = str(written.get("name") or "?")
    draft = Draft(f"containerDefinitions.{name}")
    bring_container(draft, written)
    bring_mounts(draft, written, task)
    draft.value.setdefault(
        "stopTimeout", "30s"
    )  # ECS_CONTAINER_STOP_TIMEOUT of the agent; the engine's is 10
    return draft


def _share_network(drafts: Sequence[Draft], task: Mapping[str, Any], said: Draft) -> None:
    mode = str(task.get("networkMode") or "bridge")
    if mode in ("host", "none"):
        for draft in drafts:
            draft.put("network", mode)
            if draft.value.pop("portMappings", None) and mode == "host":
                draft.said("portMappings", "with the host's network, ports need no mapping")
    elif mode == "awsvpc":
        _share_localhost(drafts, said)
    elif mode != "bridge":
        said.left("networkMode", "this mode is not of Linux, or not known: the default bridge is written")


def _share_localhost(drafts: Sequence[Draft], said: Draft) -> None:
    """With awsvpc, the containers of a task share one network namespace: one here holds it for the others."""
    for draft in drafts:
        for port in draft.value.get("portMappings", ()):
            port.setdefault("hostPort", port["containerPort"])
    jobs = _waited_for(drafts)
    sharing = [one for one in drafts if one.value.get("name") not in jobs]
    if len(sharing) < 2:
        said.said("networkMode", "awsvpc gave the task an address of its own; here ports are the host's")
        return
    holder = next((one for one in sharing if _names_before(one) <= jobs), sharing[0])
    name = str(holder.value.get("name", ""))
    for draft in sharing:
        if draft is not holder:
            draft.put("network", f"container:{name}")
            holder.add("portMappings", draft.value.pop("portMappings", []))
    what = (
        "awsvpc: the containers of the task reach each other on localhost. Here they share the network of "
        f'"{name}", which publishes the ports of all; when it is replaced, so are the others'
    )
    said.decide("networkMode", what)
    if jobs:
        said.decide("networkMode", f"not so those that end: {', '.join(sorted(jobs))}")


def _names_before(draft: Draft) -> set[str]:
    return {one["containerName"] for one in draft.value.get("dependsOn", ())}


def _share_namespaces(drafts: Sequence[Draft], task: Mapping[str, Any]) -> None:
    for key, ours in (("pidMode", "pid"), ("ipcMode", "ipc")):
        mode = task.get(key)
        for draft in drafts if mode in ("host", "none") else ():
            draft.put(ours, mode)


def _share_cpu(drafts: Sequence[Draft], task: Mapping[str, Any], said: Draft) -> None:
    """Give what says no `cpu` the fewest shares that there are, as ECS does; the engine's default is 1024."""
    without = [one for one in drafts if "cpu" not in one.value]
    kinds = task.get("requiresCompatibilities")
    alone = isinstance(kinds, list) and "FARGATE" in kinds and "EC2" not in kinds and "EXTERNAL" not in kinds
    if not without or (alone and len(without) == len(drafts)):
        return  # on Fargate, a task has its machine for itself
    for draft in without:
        draft.put("cpu", LEAST_SHARES)
    names = ", ".join(str(one.value.get("name")) for one in without)
    what = f"ECS gives {LEAST_SHARES} shares to a container that asks for none ({names})"
    said.said("cpu", f"{what}: when all want to run, the others go first. Without the line it has 1024")


def _waited_for(drafts: Sequence[Draft]) -> set[str]:
    """Return the names of those that another one waits for the end of."""
    return {
        one["containerName"]
        for draft in drafts
        for one in draft.value.get("dependsOn", ())
        if one["condition"] in _ENDS
    }


def _with_restart(drafts: Sequence[Draft], waited: set[str]) -> list[Entry]:
    for draft in drafts:
        if draft.value.get("name") in waited:
            draft.put("restart", "no")
            draft.said("restart", "others wait for its end, so that it is not started again")
    return [draft.entry for draft in drafts]


def _say_of_ends(drafts: Sequence[Draft], written: Sequence[Mapping[str, Any]], said: Draft) -> None:
    loose = [str(one.get("name")) for one in written if one.get("essential") is False]
    if len(drafts) > 1:
        what = "when an essential container ends, ECS ends the whole task; here each is restarted by itself"
        said.said("essential", what)
    if loose:
        what = f"not essential: {', '.join(loose)}. ECS leaves these alone once they end"
        said.decide("essential", f"{what}; here they are restarted, unless you write restart: never")


def _pid_or_ipc(key: str) -> Any:
    def handle(draft: Draft, value: Any) -> None:
        if value == "task":
            draft.left(
                key, "the containers of a task shared it; write pid or ipc: container:NAME where needed"
            )
        elif value not in ("host", "none"):
            raise OddError("this mode is not known")

    return handle


def _placement(draft: Draft, value: Any) -> None:
    if listed(value):
        draft.left("placementConstraints", "there is one host")


def _task_size(key: str) -> Any:
    def handle(draft: Draft, value: Any) -> None:
        draft.decide(
            key, f"{text(value)} is the limit of the whole task; here each container has its own {key}"
        )

    return handle


def _platform(draft: Draft, value: Any) -> None:
    written = mapped(value)
    what = ", ".join(f"{key}={text(part)}" for key, part in written.items() if part is not None)
    draft.left("runtimePlatform", f"{what}: this host has the platform that it has")


_TASK: Table = {
    "family": None,
    "containerDefinitions": None,
    "volumes": None,
    "networkMode": None,
    "pidMode": _pid_or_ipc("pidMode"),
    "ipcMode": _pid_or_ipc("ipcMode"),
    "cpu": _task_size("cpu"),
    "memory": _task_size("memory"),
    "runtimePlatform": _platform,
    "placementConstraints": _placement,
    "taskRoleArn": not_here(
        "taskRoleArn", "no credentials are given to containers; give the instance a role, or keys in env"
    ),
    "executionRoleArn": not_here("executionRoleArn", "the host pulls and logs with its own role or logins"),
    "proxyConfiguration": not_here("proxyConfiguration", "App Mesh is not set up"),
    "ephemeralStorage": not_here("ephemeralStorage", "it is of Fargate"),
    "inferenceAccelerators": not_here("inferenceAccelerators", "they are of a service that has ended"),
    "enableFaultInjection": not_here("enableFaultInjection", "it is of the ECS agent"),
}
