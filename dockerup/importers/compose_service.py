"""One service of a Compose file: what each of its keys is called here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dockerup.importers import compose_deploy, compose_storage, forms
from dockerup.importers.compose_env import bring_env
from dockerup.importers.compose_others import bring_networks, handlers
from dockerup.importers.compose_project import Known
from dockerup.importers.draft import NO_REAL_TIME, Draft, Handler, Table, fill, not_here, plain
from dockerup.importers.reading import (
    decimal,
    each,
    filled,
    filled_pairs,
    listed,
    mapped,
    seconds,
    sized,
    text,
    texts,
    time_text,
    timed,
    truth,
    whole,
    words,
)

_NEVER = (
    "without restart: Compose never starts a container again, not after a reboot either. Take the line out "
    "to have it always restarted, which is dockerup's default"
)


def draft_of(name: str, service: Mapping[str, Any], known: Known) -> Draft:
    """Return the entry of a service."""
    draft = Draft(f"services.{name}")
    draft.put("name", known.project.containers[name])
    own = {key: value for key, value in service.items() if not key.startswith("x-")}
    fill(draft, own, {**_TABLE, **handlers(known.project.containers)})
    compose_storage.bring_volumes(draft, own, known.project)
    _bring_image(draft, name, own, known)
    bring_env(draft, own, known)
    bring_networks(draft, name, own, known)
    if "restart" not in draft.value:
        draft.put("restart", "no")
        draft.decide("restart", _NEVER)
    return draft


def _bring_image(draft: Draft, name: str, service: Mapping[str, Any], known: Known) -> None:
    build = service.get("build")
    if service.get("image") is None and build is not None:
        draft.put("image", f"{known.project.name}-{name}")
        draft.decide("image", "this is the name that Compose (version 2) gives to what it builds")
    if build is not None:
        what = "dockerup builds no images. Build it elsewhere and push it, or here: docker build -t IMAGE DIR"
        draft.decide("build", what)


def _ports(draft: Draft, value: Any) -> None:
    for one in listed(value):
        draft.add("portMappings", _long_port(draft, one) if isinstance(one, dict) else forms.ports(text(one)))


def _long_port(draft: Draft, written: Mapping[str, Any]) -> list[dict[str, Any]]:
    known = {"target", "published", "protocol", "host_ip", "mode", "name", "app_protocol"}
    for key in written:
        if key in ("name", "app_protocol") or (key == "mode" and written[key] not in ("host", "ingress")):
            draft.said(f"ports.{key}", "it says nothing to an engine")
        elif key not in known and not key.startswith("x-"):
            draft.left(f"ports.{key}", "this key is not known")
    host, ip = text(written.get("published") or ""), text(written.get("host_ip") or "")
    place = f"[{ip}]:{host}:" if ":" in ip else f"{ip}:{host}:" if ip else f"{host}:" if host else ""
    return forms.ports(f"{place}{text(written.get('target') or '')}/{text(written.get('protocol') or 'tcp')}")


def _restart(draft: Draft, value: Any) -> None:
    draft.put("restart", forms.restart(text(value)))


def _health_check(draft: Draft, value: Any) -> None:
    written = mapped(value)
    if truth(written.get("disable") or False):
        draft.put("healthCheck", {"command": ["NONE"]})
        return
    inner = Draft(f"{draft.where}.healthcheck")
    fill(inner, written, _HEALTH)
    draft.notes += inner.notes
    if "command" in inner.value:
        draft.put("healthCheck", inner.value)
    elif inner.value:
        what = "times without a test would change the image's own check: write its command as well"
        draft.left("healthcheck", what)


def _test(draft: Draft, value: Any) -> None:
    draft.put("command", value if isinstance(value, str) else texts(value))


def _rounded(key: str) -> Handler:
    def handle(draft: Draft, value: Any) -> None:
        amount = seconds(value)
        draft.put(key, time_text(amount))
        if amount != int(amount):
            draft.said(key, "rounded up to whole seconds")

    return handle


_HEALTH: Table = {
    "test": _test,
    "interval": _rounded("interval"),
    "timeout": _rounded("timeout"),
    "retries": plain("retries", whole),
    "start_period": _rounded("startPeriod"),
    "start_interval": _rounded("startInterval"),
    "disable": None,
}


def _logging(draft: Draft, value: Any) -> None:
    written = mapped(value)
    driver = written.get("driver")
    options = filled_pairs(written.get("options") or {})
    if driver is None and not options:
        return
    if driver is None:
        draft.said("logging.driver", "json-file, the engine's default, since the file names none")
    draft.put("logConfiguration", {"logDriver": text(driver or "json-file"), "options": options})


def _ulimits(draft: Draft, value: Any) -> None:
    for name, one in mapped(value).items():
        form = f"{text(one['soft'])}:{text(one['hard'])}" if _is_pair(one) else text(one)
        draft.add("ulimits", [forms.ulimit(name, form)])


def _is_pair(one: Any) -> bool:
    return isinstance(one, dict) and {"soft", "hard"} <= one.keys()


def _extra_hosts(draft: Draft, value: Any) -> None:
    if isinstance(value, dict):
        forms_of = [f"{name}={one}" for name, several in value.items() for one in texts(several)]
    else:
        forms_of = texts(value)
    draft.add("extraHosts", [forms.extra_host(one) for one in forms_of])


def _devices(draft: Draft, value: Any) -> None:
    for one in listed(value):
        if isinstance(one, dict):
            parts = [text(one.get(key) or "") for key in ("source", "target", "permissions")]
            draft.add("devices", [forms.device(":".join(parts).rstrip(":"))])
        else:
            draft.add("devices", [forms.device(text(one))])


def _pull_policy(draft: Draft, value: Any) -> None:
    policy = text(value)
    if policy in ("never", "missing", "if_not_present"):
        draft.merge("update", {"pull": False})
    elif policy == "build":
        draft.left("pull_policy", "dockerup builds no images")
    elif policy != "always":
        draft.said("pull_policy", "the registry is asked each minute, by a small request; see update.window")


def _gpus(draft: Draft, value: Any) -> None:
    if isinstance(value, list):
        compose_deploy.bring_requests(draft, value)
    else:
        count = compose_deploy.device_count(value)
        draft.add("deviceRequests", [{"capabilities": ["gpu"], "count": count}])


def _blkio(draft: Draft, value: Any) -> None:
    compose_deploy.bring_blkio(draft, mapped(value))


def _hooks(draft: Draft, _value: Any) -> None:
    draft.left(
        "hooks", "post_start and pre_stop: dockerup runs no commands in a container. Use the entrypoint"
    )


_STRINGS = each(text)
_OTHERS_DO_IT = "this is of the development with Compose"
_TABLE: Table = {
    "image": plain("image", filled),
    "entrypoint": plain("entrypoint", words),
    "command": plain("command", words),
    "working_dir": plain("workingDirectory", text),
    "user": plain("user", text),
    "group_add": plain("groupAdd", texts),
    "hostname": plain("hostname", text),
    "domainname": plain("domainname", text),
    "stdin_open": plain("interactive", truth),
    "tty": plain("pseudoTerminal", truth),
    "init": plain("init", truth),
    "labels": plain("labels", filled_pairs),
    "annotations": plain("annotations", filled_pairs),
    "platform": plain("platform", filled),
    "pull_policy": _pull_policy,
    "pull_refresh_after": not_here("pull_refresh_after", "see update.window and update.minAge"),
    "restart": _restart,
    "stop_signal": plain("stopSignal", text),
    "stop_grace_period": plain("stopTimeout", timed),
    "healthcheck": _health_check,
    "ports": _ports,
    "expose": plain("expose", texts),
    "extra_hosts": _extra_hosts,
    "dns": plain("dnsServers", texts),
    "dns_search": plain("dnsSearchDomains", texts),
    "dns_opt": plain("dnsOptions", texts),
    "read_only": plain("readonlyRootFilesystem", truth),
    "shm_size": plain("shmSize", sized),
    "storage_opt": plain("storageOpt", filled_pairs),
    "cpu_shares": plain("cpu", whole),
    "cpus": plain("cpus", decimal),
    "cpu_period": plain("cpuPeriod", whole),
    "cpu_quota": plain("cpuQuota", whole),
    "cpu_rt_period": not_here("cpu_rt_period", NO_REAL_TIME),
    "cpu_rt_runtime": not_here("cpu_rt_runtime", NO_REAL_TIME),
    "cpuset": plain("cpusetCpus", text),
    "mem_limit": plain("memory", sized),
    "mem_reservation": plain("memoryReservation", sized),
    "memswap_limit": lambda draft, value: draft.put(
        "memorySwap", -1 if value in (-1, "-1") else sized(value)
    ),
    "mem_swappiness": plain("memorySwappiness", whole),
    "oom_kill_disable": plain("oomKillDisable", truth),
    "oom_score_adj": plain("oomScoreAdj", whole),
    "pids_limit": plain("pidsLimit", whole),
    "ulimits": _ulimits,
    "blkio_config": _blkio,
    "cgroup_parent": plain("cgroupParent", text),
    "devices": _devices,
    "device_cgroup_rules": plain("deviceCgroupRules", texts),
    "gpus": _gpus,
    "runtime": plain("runtime", text),
    "privileged": plain("privileged", truth),
    "cap_add": plain("capAdd", texts),
    "cap_drop": plain("capDrop", texts),
    "security_opt": plain("securityOptions", texts),
    "uts": plain("uts", text),
    "userns_mode": plain("userns", text),
    "cgroup": plain("cgroupns", text),
    "sysctls": plain("sysctls", filled_pairs),
    "logging": _logging,
    "deploy": compose_deploy.bring_deploy,
    "build": None,
    "container_name": None,
    "scale": None,
    "profiles": None,
    "environment": None,
    "env_file": None,
    "networks": None,
    "network_mode": None,
    "mac_address": None,
    "volumes": None,
    "tmpfs": None,
    "secrets": None,
    "configs": None,
    "develop": not_here("develop", _OTHERS_DO_IT),
    "attach": not_here("attach", "it is about what `docker compose up` shows"),
    "label_file": plain("labelFiles", texts),
    "post_start": _hooks,
    "pre_stop": _hooks,
    "provider": not_here("provider", "a provider is a program of Compose"),
    "models": not_here("models", "AI models are run by Docker Desktop, not by an engine alone"),
    "use_api_socket": not_here("use_api_socket", "mount /var/run/docker.sock as a volume"),
    "credential_spec": not_here("credential_spec", "it is of Windows"),
    "isolation": not_here("isolation", "it is of Windows"),
    "cpu_count": not_here("cpu_count", "it is of Windows"),
    "cpu_percent": not_here("cpu_percent", "it is of Windows"),
    "driver_opts": not_here("driver_opts", "it is of networks and volumes, not of services"),
}
