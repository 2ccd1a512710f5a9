"""Each SDK does in each scenario of clients/conformance what the scenario asks for."""

from __future__ import annotations

import asyncio

import pytest

from ncs_conformance.driver import Sdk, read_sdks
from ncs_conformance.play import Verdict, play_all
from ncs_conformance.scenario import Scenario, read_scenarios

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

SCENARIOS = read_scenarios()
SDKS = read_sdks()
Verdicts = dict[tuple[str, str], Verdict]


@pytest.fixture(scope="module")
def verdicts(request: pytest.FixtureRequest, built: None) -> Verdicts:
    """Play all that was asked for at once: most of them wait, most of the time."""
    chosen = [
        (item.callspec.params["scenario"], item.callspec.params["sdk"])
        for item in request.session.items
        if isinstance(item, pytest.Function)
        and item.originalname == test_an_sdk_passes_a_scenario.__name__
    ]
    verdicts = asyncio.run(play_all(chosen))
    return {(v.scenario, v.sdk): v for v in verdicts}


@pytest.mark.parametrize("sdk", SDKS, ids=lambda sdk: sdk.name)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_an_sdk_passes_a_scenario(
    verdicts: Verdicts, scenario: Scenario, sdk: Sdk
) -> None:
    faults = verdicts[scenario.name, sdk.name].faults
    if scenario.name in sdk.lacks:
        assert faults, "it does not lack this any more: say so in sdks.yaml"
    else:
        assert () == faults


def test_no_two_scenarios_have_a_name_and_each_is_understood() -> None:
    names = [scenario.name for scenario in SCENARIOS]
    assert sorted(set(names)) == sorted(names)
    assert all(scenario.play() for scenario in SCENARIOS)


def test_what_an_sdk_is_said_to_lack_is_a_scenario() -> None:
    names = {scenario.name for scenario in SCENARIOS}
    assert [] == [name for sdk in SDKS for name in sdk.lacks if name not in names]
