"""How hard hypothesis looks, and how often Python looks for garbage, for every test."""

from __future__ import annotations

import gc

import hypothesis

# `pytest --hypothesis-profile=thorough` looks harder. No deadline: the machine may be busy.
hypothesis.settings.register_profile("quick", max_examples=30, deadline=None)
hypothesis.settings.register_profile("thorough", max_examples=3000, deadline=None)
hypothesis.settings.load_profile("quick")

# Each look is at all that pytest, hypothesis and the tests consist of: a fifth of the time of the unit tests.
gc.set_threshold(10_000, 20, 20)


def pytest_collection_finish() -> None:
    """Look no more at what is there before the first test: it stays to the end."""
    gc.freeze()
