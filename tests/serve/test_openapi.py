"""Schemathesis: requests made up from the OpenAPI document, bounded; nothing gets a 5xx or an undescribed answer."""

from collections.abc import Iterator
from pathlib import Path
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
from service_cases import Server, started_server

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    unsupported_method,
)


@pytest.fixture(scope="module")
def server(trained_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with started_server(trained_run, tmp_path_factory.mktemp("openapi"), "--no-page") as one:
        yield one


def try_everything(server: Server, examples: int) -> set[str]:
    """Send made-up requests to every operation and check each answer; returns the operations tried."""
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    tried: set[str] = set()
    for operation in schema.get_all_operations():

        @given(case=operation.ok().as_strategy())
        @settings(max_examples=examples, derandomize=True, suppress_health_check=list(HealthCheck))
        def send(case: Any) -> None:
            response = case.call()
            case.validate_response(response, checks=CHECKS)
            assert response.status_code < 500

        send()
        tried.add(operation.ok().label)
    return tried


def test_made_up_requests_get_described_answers(server: Server) -> None:
    assert try_everything(server, 8) >= {"POST /v1/predict", "POST /v1/predict/batch", "POST /v1/explain"}


@pytest.mark.slow
def test_many_made_up_requests_get_described_answers(server: Server) -> None:
    assert len(try_everything(server, 200)) == 7
