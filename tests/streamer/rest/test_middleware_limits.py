"""Rate limits: who may ask how often, and what the rest are told."""

from __future__ import annotations

from typing import Any

import pytest

from ncs_streamer.auth import User

from .client import PASSWORD, Answer, Api
from .conftest import Start

pytestmark = [pytest.mark.integration, pytest.mark.security]

STREAMS = "/api/v1/streams"
LOGIN = "/api/v1/auth/login"
FIVE = {"RATE_LIMIT_PER_MINUTE": "5"}


@pytest.fixture
async def five(start: Start) -> Api:
    """A server that takes five requests a minute, and on which no time passes."""
    api = await start(FIVE)
    api.hold_clock()
    return api


async def statuses(api: Api, count: int, path: str = STREAMS, **more: Any) -> list[int]:
    return [(await api.get(path, **more)).status for _ in range(count)]


async def sixth(api: Api) -> Answer:
    await statuses(api, 5)
    return await api.get(STREAMS)


async def log_in(api: Api, address: str = "", password: str = "wrong") -> Answer:
    form = {"username": "ann", "password": password}
    headers = {"X-Forwarded-For": address} if address else {}
    return await api.post(LOGIN, credential=None, data=form, headers=headers)


async def bad_login(api: Api, **more: Any) -> Answer:
    """Try to log in without the cost of a password."""
    return await api.post(LOGIN, credential=None, json={}, **more)


async def test_the_sixth_request_of_five_is_refused(five: Api) -> None:
    assert await statuses(five, 6) == [200] * 5 + [429]


async def test_a_refusal_says_which_limit_and_how_long(five: Api) -> None:
    refusal = {
        "detail": "Rate limit exceeded for user",
        "error_code": "RATE_LIMITED",
        "retry_after": 12,
    }
    assert (await sixth(five)).said == (429, refusal)


async def test_a_refusal_says_in_its_headers_how_long(five: Api) -> None:
    assert (await sixth(five)).headers["Retry-After"] == "12"


async def test_a_refusal_says_in_its_headers_where_the_caller_stands(
    five: Api,
) -> None:
    headers = (await sixth(five)).headers
    assert headers.get("RateLimit-Limit") == "5"
    assert headers.get("RateLimit-Remaining") == "0"
    assert headers.get("RateLimit-Reset") == "60"


async def test_an_answer_says_where_the_caller_stands(five: Api) -> None:
    left = [await five.get(STREAMS) for _ in range(5)]
    assert {answer.headers["RateLimit-Limit"] for answer in left} == {"5"}
    remaining = [answer.headers["RateLimit-Remaining"] for answer in left]
    assert remaining == ["4", "3", "2", "1", "0"]
    resets = [answer.headers["RateLimit-Reset"] for answer in left]
    assert resets == ["12", "24", "36", "48", "60"]


async def test_a_refused_body_says_where_the_caller_stands(five: Api) -> None:
    answer = await five.process([])
    assert answer.status == 422
    assert answer.headers.get("RateLimit-Remaining") == "4"


async def test_after_the_wait_there_is_one_request_more(start: Start) -> None:
    api = await start(FIVE)
    clock = api.hold_clock()
    await sixth(api)
    clock.elapsed_s = 11.9
    assert await statuses(api, 1) == [429]
    clock.elapsed_s = 12.0
    assert await statuses(api, 2) == [200, 429]


async def test_after_a_minute_the_whole_allowance_is_back(start: Start) -> None:
    api = await start(FIVE)
    clock = api.hold_clock()
    await sixth(api)
    clock.elapsed_s = 60.0
    assert await statuses(api, 6) == [200] * 5 + [429]


async def test_a_hundred_points_cost_as_much_as_one(five: Api) -> None:
    one, hundred = await five.process([[1.0]]), await five.process([[1.0]] * 100)
    assert one.headers["RateLimit-Remaining"] == "4"
    assert hundred.headers["RateLimit-Remaining"] == "3"


async def test_refused_points_do_not_count(five: Api) -> None:
    answers = [await five.process([[1.0]]) for _ in range(6)]
    assert answers[5].status == 429
    assert sum(answer.status == 200 for answer in answers) == 5
    key, _ = await five.key()
    assert await five.total(credential=key) == 5


async def test_every_caller_has_an_allowance_of_his_own(five: Api) -> None:
    await sixth(five)
    assert await statuses(five, 1, credential=five.token(subject="bob")) == [200]
    assert await statuses(five, 1, credential=five.token(tenant="other")) == [200]


async def test_two_tokens_of_one_user_share_one_allowance(five: Api) -> None:
    tokens = [five.token("read"), five.token("read", "write")]
    got = [(await five.get(STREAMS, credential=tokens[n % 2])).status for n in range(6)]
    assert got == [200] * 5 + [429]


async def test_a_key_has_ten_times_the_allowance(five: Api) -> None:
    key, _ = await five.key()
    assert await statuses(five, 51, credential=key) == [200] * 50 + [429]


async def test_two_keys_of_one_name_do_not_share_an_allowance(five: Api) -> None:
    one, two = [(await five.key(name="gateway"))[0] for _ in range(2)]
    await statuses(five, 51, credential=one)
    assert await statuses(five, 1, credential=two) == [200]


@pytest.mark.parametrize("path", ["/health", "/livez", "/readyz", "/docs"])
async def test_a_public_address_is_never_limited(five: Api, path: str) -> None:
    assert set(await statuses(five, 120, path, credential=None)) == {200}


async def test_a_scrape_of_the_metrics_is_never_limited(five: Api) -> None:
    assert set(await statuses(five, 6, "/metrics")) == {200}


# The tier of process_points


async def test_a_token_may_post_points_a_hundred_times_a_minute(api: Api) -> None:
    api.hold_clock()
    answers = [await api.process([]) for _ in range(101)]
    assert [answer.status for answer in answers] == [422] * 100 + [429]
    assert answers[-1].json["detail"] == "Rate limit exceeded for endpoint"


async def test_who_may_not_post_points_any_more_may_still_read(api: Api) -> None:
    api.hold_clock()
    for _ in range(101):
        await api.process([])
    assert await statuses(api, 1) == [200]


async def test_a_key_may_post_points_more_than_a_hundred_times(api: Api) -> None:
    api.hold_clock()
    key, _ = await api.key()
    answers = [await api.process([], credential=key) for _ in range(101)]
    assert {answer.status for answer in answers} == {422}
    assert (await api.process([[1.0]], credential=key)).headers[
        "RateLimit-Limit"
    ] == "1000"


# Logins and strangers


async def test_the_eleventh_login_of_a_minute_is_refused(api: Api) -> None:
    clock = api.hold_clock()
    answers = [await bad_login(api) for _ in range(11)]
    assert [answer.status for answer in answers] == [422] * 10 + [429]
    refusal = {
        "detail": "Rate limit exceeded for login",
        "error_code": "RATE_LIMITED",
        "retry_after": 6,
    }
    assert answers[-1].said == (429, refusal)
    clock.elapsed_s = 6.0
    assert (await bad_login(api)).status == 422


async def test_the_right_password_does_not_lift_the_limit(api: Api, user: User) -> None:
    api.hold_clock()
    for _ in range(10):
        await bad_login(api)
    assert (await log_in(api, password=PASSWORD)).status == 429


async def test_all_addresses_of_login_share_one_limit(api: Api) -> None:
    api.hold_clock()
    for path in ("/auth/login", "/v1/auth/login") * 5:
        await api.post(path, credential=None, json={})
    assert (await bad_login(api)).status == 429


async def strangers(api: Api, count: int, **more: Any) -> list[int]:
    """Send requests without a credential."""
    return await statuses(api, count, credential=None, **more)


async def test_the_hundred_and_first_stranger_of_an_hour_is_refused(api: Api) -> None:
    api.hold_clock()
    assert await strangers(api, 101) == [401] * 100 + [429]


async def test_a_stranger_is_told_the_limit_of_his_address(api: Api) -> None:
    api.hold_clock()
    await strangers(api, 100)
    answer = await api.get(STREAMS, credential=None)
    refusal = {
        "detail": "Rate limit exceeded for ip",
        "error_code": "RATE_LIMITED",
        "retry_after": 36,
    }
    assert answer.said == (429, refusal)


async def test_wrong_credentials_count_like_none(api: Api) -> None:
    api.hold_clock()
    await statuses(api, 50, credential="a.b.c")
    await statuses(api, 50, credential="nck_dev_x")
    assert await strangers(api, 1) == [429]


async def test_who_has_a_credential_is_let_in_all_the_same(api: Api) -> None:
    api.hold_clock()
    await strangers(api, 101)
    assert await statuses(api, 1) == [200]


# Behind a proxy


@pytest.fixture
async def proxied(start: Start) -> Api:
    """A server that believes 127.0.0.1 and 10.0.0.0/8 about who is calling."""
    api = await start(trusted_proxies=["127.0.0.1", "10.0.0.0/8"])
    api.hold_clock()
    return api


async def test_behind_a_proxy_every_client_has_a_limit_of_its_own(proxied: Api) -> None:
    for _ in range(11):
        await bad_login(proxied, headers={"X-Forwarded-For": "192.0.2.1"})
    answer = await bad_login(proxied, headers={"X-Forwarded-For": "192.0.2.2"})
    assert answer.status == 422


@pytest.mark.parametrize("hops", ["{}, 192.0.2.1", "{}, 192.0.2.1, 10.1.2.3"])
async def test_what_a_client_says_of_itself_is_not_believed(
    proxied: Api, hops: str
) -> None:
    for number in range(11):
        headers = {"X-Forwarded-For": hops.format(f"198.51.100.{number}")}
        answer = await bad_login(proxied, headers=headers)
    assert answer.status == 429


async def test_a_second_header_of_the_proxy_counts_and_not_the_clients_own(
    proxied: Api,
) -> None:
    for number in range(11):
        lines = [
            ("X-Forwarded-For", f"198.51.100.{number}"),  # made up by the client
            ("X-Forwarded-For", "192.0.2.1"),  # added by the proxy
        ]
        async with proxied.session.post(LOGIN, json={}, headers=lines) as reply:
            status = reply.status
    assert status == 429


async def test_without_a_trusted_proxy_nobody_is_believed(api: Api) -> None:
    api.hold_clock()
    for number in range(11):
        headers = {"X-Forwarded-For": f"198.51.100.{number}"}
        answer = await bad_login(api, headers=headers)
    assert answer.status == 429
