"""How hard hypothesis looks, for every test."""

from __future__ import annotations

import hypothesis

# `pytest --hypothesis-profile=thorough` looks harder. No deadline: the machine may be busy.
hypothesis.settings.register_profile("quick", max_examples=30, deadline=None)
hypothesis.settings.register_profile("thorough", max_examples=3000, deadline=None)
hypothesis.settings.load_profile("quick")
