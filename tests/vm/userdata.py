"""The stock example as user-data of the virtual machine: the same text, with what is to be had here."""

from __future__ import annotations

import textwrap

from tests.examples.files import text_of
from tests.examples.stock import pip_conf
from tests.vm.machine import HOST
from tests.vm.offers import Offers

_IMAGE = "nginx:1.29"


def stock_example(offers: Offers, image: str, name: str = "web") -> str:
    """Return the example with another image and name, and with trust in what is offered to the machine."""
    text = _exchanged(text_of("stock-image.yaml"), _IMAGE, image)
    text = _exchanged(text, "name: web", f"name: {name}")
    return _exchanged(text, "write_files:\n", f"{_trust(offers)}write_files:\n{_pip(offers)}")


def _trust(offers: Offers) -> str:
    return f"ca_certs:\n  trusted:\n    - |\n{textwrap.indent(offers.certificate, ' ' * 6)}\n"


def _pip(offers: Offers) -> str:
    conf = pip_conf(offers.wheels) + f"trusted-host = {HOST}\n"
    return f"  - path: /etc/pip.conf\n    content: |\n{textwrap.indent(conf, ' ' * 6)}"


def _exchanged(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, f"the example has {old!r} {text.count(old)} times"
    return text.replace(old, new)
