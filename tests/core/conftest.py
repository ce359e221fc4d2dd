"""The private host, with the engine that is asked for."""

from __future__ import annotations

from tests.engine.conftest import client as client
from tests.engine.conftest import dockerup as dockerup
from tests.engine.conftest import engine as engine
from tests.engine.conftest import host as host
from tests.engine.conftest import registry as registry
from tests.engine.stories import story_fixture as story_fixture
