"""The HTTP routes against their own description: schemathesis asks what it allows, and what it does not."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from tests.hostile.lines import ROOM, Target
from voxemu.wire import PROVIDERS

pytestmark = pytest.mark.sockets

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    unsupported_method,
]


WITHOUT = [("/__emu/events", "GET")]
# They never end.


@pytest.mark.parametrize("whose", [*PROVIDERS, "emulator"])
def test_the_routes_are_as_they_are_described(target: Target, whose: str) -> None:
    schema = schemathesis.openapi.from_url(target.url + "/__emu/openapi.json")
    asked = 0
    found: Any
    for found in schema.get_all_operations():
        operation = found.ok()
        if whose in operation.tags and (operation.path, operation.method.upper()) not in WITHOUT:
            must_conform(operation, target)
            asked += 1
    assert asked


def must_conform(operation: Any, target: Target) -> None:
    @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(case=operation.as_strategy())
    def conform(case: Any) -> None:
        answered = case.call_and_validate(checks=CHECKS, headers={"Connection": "close"})
        if operation.path == ROOM and answered.status_code == 200:
            # Nobody is to come to it, and rooms have as many places as sessions.
            target.end(answered.json()["roomName"])

    conform()
