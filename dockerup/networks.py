"""Which networks are made and removed: listed ones are there, unused ones of ours go. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dockerup import labels
from dockerup.decision import Decision
from dockerup.host import Host
from dockerup.keys.network_options import Options, made_otherwise
from dockerup.sheet import Sheet
from dockerup.snapshot import Container, Network
from dockerup.steps import Cause, CreateNetwork, Existing, Phase, Remove, RemoveNetwork, Why


def write_networks(decisions: Mapping[str, Decision], host: Host, sheet: Sheet) -> None:
    """Write down the networks that have to be made before a container is created or started."""
    if host.observed.networks is None:
        return
    there = {network.name for network in host.observed.networks}
    options = _options(host)
    for decision in decisions.values():
        for name in decision.spec.networks if decision.starts else ():
            if name not in there and name not in sheet.networks:
                step = CreateNetwork(f"network {name}", name, Cause(Why.NOT_THERE), options.get(name, {}))
                sheet.networks[name] = sheet.add(f"network {name}", step, ())
    sheet.notes += _otherwise(host.observed.networks, options)


def _options(host: Host) -> dict[str, Options]:
    """Return how networks are to be made, as entries say; two that say it say the same."""
    return {name: options for spec in host.desired.specs for name, options in spec.network_options.items()}


def _otherwise(there: Iterable[Network], options: Mapping[str, Options]) -> list[str]:
    """Return a sentence for each network that is there and was made otherwise than entries say."""
    return [
        f"network {network.name} is there, and not as listed: {', '.join(fields)}. It stays so. To have it "
        f"made anew, stop all that is on it, and run: docker network rm {network.name}"
        for network in there
        for fields in [made_otherwise(options.get(network.name, {}), network.options)]
        if fields
    ]


def write_unused_networks(host: Host, sheet: Sheet) -> None:
    """Write down the removal of the networks of dockerup that nobody uses after all other steps."""
    if not host.desired.complete:
        return
    removed = {
        node.step.target.container_id: node.number
        for node in sheet.nodes
        if isinstance(node.step, Remove) and isinstance(node.step.target, Existing)
    }
    for network in sorted(host.observed.networks or (), key=lambda one: one.network_id):
        users = users_of(network, host)
        if removable(network, host) and all(one.container_id in removed for one in users):
            step = RemoveNetwork(
                f"network {network.name}", network.name, network.network_id, Cause(Why.UNUSED)
            )
            after = (removed[one.container_id] for one in users)
            sheet.add(f"network {network.name}", step, after, Phase.CLEAN_UP)


def users_of(network: Network, host: Host) -> list[Container]:
    """Return the containers that are on a network, be it that they do not run: they may run again."""
    return [
        one
        for one in host.observed.containers
        if network.network_id in one.networks.values() or one.networks.get(network.name) == ""
    ]


def removable(network: Network, host: Host) -> bool:
    """Tell whether a network is dockerup's, and no entry names it."""
    named = {name for spec in host.desired.specs for name in spec.networks}
    kept = network.labels.get(labels.IGNORE, "").lower() == "true"
    return labels.NETWORK in network.labels and network.name not in named and not kept
