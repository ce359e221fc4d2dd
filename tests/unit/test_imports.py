"""Which file may import which: the way of the data goes one way, and what decides cannot act."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Who asks the world something or changes it, or has to do with those who do. All others decide, and are pure.
ACTING = """
cc_dockerup __main__ cli stopper outlets
boot validate reconcile rounds waiting execute watch configuration connection
engine engine_client local_engine sdk streams neighbour
registry registry_site endpoints transport http_session plain_http authorization
credentials credential_helper pull pull_display
files state history secret_files host_files
sources sources.cloudinit sources.confdir sources.ec2 sources.imds sources.kept sources.trust
importers.command importers.compose importers.compose_env importers.compose_files importers.compose_others
importers.compose_project importers.compose_service importers.compose_storage importers.look
importers.write
"""
# By what they do so. The clock is a part of the world; that nobody asks it through datetime has a test of its
# own.
EFFECTS = {"docker", "requests", "urllib3", "http", "socket", "subprocess", "threading", "asyncio"}
EFFECTS |= {"os", "io", "pathlib", "shutil", "tempfile", "time", "random", "logging", "sys"}
WITH_SDK = {"dockerup.sdk", "dockerup.streams"}
CLOCKS = ("datetime.now", ".utcnow", ".today")
DOORS = {"dockerup.cli", "dockerup.__main__", "cc_dockerup"}


@dataclass(frozen=True)
class Import:
    """One name that a module imports, `at_start` or in a function, where it may never happen."""

    name: str
    at_start: bool


def _modules() -> dict[str, Path]:
    found = {}
    for package in ("dockerup", "cc_dockerup"):
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = _modules()
TREES = {module: ast.parse(path.read_text()) for module, path in MODULES.items()}


def _imports(module: str) -> set[Import]:
    return {found for node in TREES[module].body for found in _of_node(node, at_start=True)}


def _of_node(node: ast.AST, *, at_start: bool) -> Iterator[Import]:
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    yield from (Import(name, at_start) for name in _named(node))
    inside = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.expr):  # which holds no statement
            yield from _of_node(child, at_start=at_start and not inside)


def _named(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "names are literal: no relative imports"
        yield from (_meant(node.module or "", alias.name) for alias in node.names)


def _meant(module: str, name: str) -> str:
    return f"{module}.{name}" if f"{module}.{name}" in MODULES else module


IMPORTS: Mapping[str, set[Import]] = {module: _imports(module) for module in MODULES}


def _ours(module: str) -> set[str]:
    return {one.name for one in IMPORTS[module] if one.name in MODULES}


def _ways(module: str) -> dict[str, list[str]]:
    """Return all that a module imports, directly or through our own, each with the way to it."""
    ways = {module: [module]}
    rest = [module]
    while rest:
        here = rest.pop()
        for one in IMPORTS.get(here, ()):
            if one.name not in ways:
                ways[one.name] = [*ways[here], one.name]
                rest.append(one.name)
    return ways


def test_imports_are_read_as_they_are_meant() -> None:
    assert "dockerup.problems" in _ours("dockerup.spec")
    assert Import("docker", True) in IMPORTS["dockerup.sdk"]


def test_what_decides_asks_nothing_and_changes_nothing() -> None:
    acting = {}
    for module in MODULES:
        ways = [way for found, way in _ways(module).items() if found.partition(".")[0] in EFFECTS]
        if ways:
            acting[module.removeprefix("dockerup.")] = ways[0]
    known = set(ACTING.split())
    assert acting.keys() - known == set(), acting
    assert known - acting.keys() == set(), "these act no more"


def test_nothing_imports_a_door() -> None:
    wrong = {module: _ours(module) & DOORS for module in MODULES if module not in DOORS}
    assert {module: doors for module, doors in wrong.items() if doors} == {}


def test_the_engines_modules_alone_import_the_docker_sdk() -> None:
    users = {
        module for module in MODULES for one in IMPORTS[module] if one.name.partition(".")[0] == "docker"
    }
    assert users == WITH_SDK


def test_no_module_loads_the_docker_sdk_at_its_start() -> None:
    """A run with nothing to do never loads it, which would take longer than all that it does."""
    users = {module for module in MODULES for one in IMPORTS[module] if one.at_start and one.name in WITH_SDK}
    assert users <= WITH_SDK


def test_arrows_go_one_way() -> None:
    """Also those that are there for types only."""
    named = {
        module: {name for node in ast.walk(tree) for name in _named(node)} for module, tree in TREES.items()
    }
    arrows = {module: names & MODULES.keys() for module, names in named.items()}
    order = tuple(TopologicalSorter(arrows).static_order())
    assert order.index("dockerup.plan") < order.index("dockerup.reconcile") < order.index("dockerup.cli")


@pytest.mark.parametrize("package", ["yaml", "docker", "requests", "urllib3", "rich"])
def test_only_the_module_for_it_loads_a_package_at_its_start(package: str) -> None:
    """A run that does not need a package does not pay for it, nor for its being broken."""
    users = {
        module
        for module in MODULES
        for one in IMPORTS[module]
        if one.at_start and one.name.partition(".")[0] == package
    }
    alone = dict.fromkeys(("docker", "requests"), WITH_SDK)
    alone["yaml"] = {"dockerup.yaml_document"}
    assert users <= alone.get(package, set())


def test_no_package_is_used_that_is_not_declared() -> None:
    used = {one.name.partition(".")[0] for found in IMPORTS.values() for one in found}
    outside = {name for name in used if importlib.util.find_spec(name) is None or _is_installed(name)}
    # urllib3 comes with requests, cloudinit is the host's, rich is an extra that only makes it nicer.
    assert outside - {"docker", "requests", "yaml", "urllib3", "cloudinit", "rich"} == set()


def _is_installed(name: str) -> bool:
    found = importlib.util.find_spec(name)
    return found is not None and "site-packages" in (found.origin or "")


def test_nobody_asks_the_clock_through_datetime() -> None:
    """The fixture that keeps unit tests from the clock cannot take `datetime.now` away."""
    asked = {module: [one for one in _asked(tree) if one.endswith(CLOCKS)] for module, tree in TREES.items()}
    assert {module: ways for module, ways in asked.items() if ways} == {}


def _asked(tree: ast.AST) -> Iterator[str]:
    nodes = (node for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    yield from (ast.unparse(node) for node in nodes if node.attr in {"now", "utcnow", "today"})
