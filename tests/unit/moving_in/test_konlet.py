"""Google's container declarations as entries."""

from __future__ import annotations

import json

import pytest

from dockerup.importers import konlet, write
from dockerup.problems import DockerupError
from tests.unit.moving_in.common import notes, raw, text_of, written

DISKS = "/mnt/disks/gce-containers-mounts/gce-persistent-disks"


def test_declaration_with_all_kinds_of_volumes_comes_over() -> None:
    imported = konlet.imported("konlet.yaml", text_of("konlet.yaml"))
    assert raw(imported)["instance-1"] == {
        "name": "instance-1",
        "image": "gcr.io/example/server:2",
        "entrypoint": ["/bin/server"],
        "command": ["--port=8080", "--verbose"],
        "env": {"STAGE": "prod", "EMPTY": ""},
        "privileged": True,
        "interactive": True,
        "network": "host",
        "restart": "on-failure",
        "logConfiguration": {"logDriver": "json-file", "options": {"max-size": "500m", "max-file": "3"}},
        "volumes": [
            {"hostPath": "/var/lib/server", "containerPath": "/etc/server", "mode": "ro"},
            {"hostPath": f"{DISKS}/data-disk", "containerPath": "/data"},
            {"hostPath": f"{DISKS}/archive-disk", "containerPath": "/archive", "mode": "ro"},
        ],
        "tmpfs": [{"containerPath": "/scratch", "mountOptions": ["dev", "exec", "suid"]}],
    }
    assert set(written(imported)) == {"instance-1"}


def test_disks_come_with_the_line_that_mounts_them() -> None:
    told = notes(konlet.imported("konlet.yaml", text_of("konlet.yaml")))
    assert f"/dev/disk/by-id/google-data-disk {DISKS}/data-disk ext4 defaults,nofail" in told
    assert f"/dev/disk/by-id/google-archive-disk-part2 {DISKS}/archive-disk ext4 ro,nofail" in told


@pytest.mark.parametrize(
    ("policy", "restart"), [("Always", None), (None, None), ("OnFailure", "on-failure"), ("Never", "no")]
)
def test_restart_policies(policy: str | None, restart: str | None) -> None:
    spec = {"containers": [{"name": "app", "image": "a:1"}], "restartPolicy": policy}
    found = raw(konlet.imported("k", json.dumps({"spec": spec})))["app"]
    assert found.get("restart") == restart


def test_declaration_inside_of_an_instance_as_gcloud_describes_it_comes_over() -> None:
    items = [{"key": "other", "value": "x"}, {"key": konlet.KEY, "value": text_of("konlet.yaml")}]
    imported = konlet.imported("instance.json", json.dumps({"metadata": {"items": items}}))
    assert set(written(imported)) == {"instance-1"}


@pytest.mark.parametrize("document", ["{}", "[]", "7", "spec: 7", "spec: {}"])
def test_what_is_no_declaration_is_an_error(document: str) -> None:
    with pytest.raises(DockerupError):
        write.as_text(konlet.imported("konlet.yaml", document))


def test_unknown_keys_and_volumes_are_listed() -> None:
    container = {
        "name": "app",
        "image": "a:1",
        "ports": [80],
        "volumeMounts": [{"name": "x", "mountPath": "/x"}],
    }
    told = notes(konlet.imported("k", json.dumps({"spec": {"containers": [container], "extra": 1}})))
    assert "spec.containers[0].ports: this key is not known" in told
    assert 'there is no volume "x"' in told
    assert "spec.extra: this key is not known" in told
