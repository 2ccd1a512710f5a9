from __future__ import annotations

import pytest

from ncs_client import NCSAPIException, NcsClientError, RefusedError

pytestmark = pytest.mark.unit


def test_the_documented_name_of_a_refusal_is_the_same_class() -> None:
    assert NCSAPIException is RefusedError


def test_a_refusal_carries_its_code_and_status() -> None:
    with pytest.raises(NCSAPIException) as caught:
        raise RefusedError("unauthorized", "no such key", status=401)
    assert ("unauthorized", 401) == (caught.value.code, caught.value.status)


def test_a_refusal_is_an_error_of_the_client() -> None:
    assert issubclass(NCSAPIException, NcsClientError)
