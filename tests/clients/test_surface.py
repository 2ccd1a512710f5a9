"""What the package offers: its names, and the two clients beside each other."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import ncs_client
from ncs_client import AsyncNCSClient, NCSClient, calls

pytestmark = pytest.mark.unit

README = Path(__file__).parents[2] / "clients" / "python" / "README.md"
ONLY_ASYNC = {"benchmark_throughput"}


def methods(kind: type) -> set[str]:
    return {
        name
        for name, value in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_")
    }


def test_every_name_can_be_had_and_no_other() -> None:
    for name in ncs_client.__all__:
        assert getattr(ncs_client, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        ncs_client.Nonsense  # noqa: B018
    with pytest.raises(ImportError):
        importlib.import_module("ncs_client.nonsense")


def test_the_documented_import() -> None:
    from ncs_client import AsyncNCSClient as b
    from ncs_client import NCSClient as a

    assert (NCSClient, AsyncNCSClient) == (a, b)


def test_both_clients_have_the_same_methods_with_the_same_arguments() -> None:
    assert methods(NCSClient) == methods(AsyncNCSClient) - ONLY_ASYNC
    for name in methods(NCSClient):
        one = inspect.signature(getattr(NCSClient, name))
        other = inspect.signature(getattr(AsyncNCSClient, name))
        assert one == other, name


def test_a_method_looks_like_the_request_that_it_makes() -> None:
    signature = inspect.signature(NCSClient.process_points)
    assert ["self", "points", "options"] == list(signature.parameters)[:3]
    assert "ProcessResult" == signature.return_annotation
    assert calls.process_points.__doc__ == NCSClient.process_points.__doc__
    bound = inspect.signature(NCSClient("http://host").get_clusters)
    assert ["stream"] == list(bound.parameters)


def test_a_gateway_loads_neither_numpy_nor_an_http_client() -> None:
    program = (
        "import sys; from ncs_client import GatewayClient, SpoolOptions;"
        "print(sorted({'numpy', 'aiohttp', 'urllib3', 'pandas'} & set(sys.modules)))"
    )
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, timeout=60
    )
    assert b"[]" == told.stdout.strip()


def test_every_public_error_and_method_is_in_the_readme() -> None:
    text = README.read_text()
    errors = {
        name
        for name in ncs_client.__all__
        if isinstance(kind := getattr(ncs_client, name), type)
        and issubclass(kind, Exception)
    }
    for name in errors | methods(AsyncNCSClient) - {"request", "use_token"}:
        assert f"`{name}" in text or f".{name}(" in text, name
