from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st
from properties import examples

from ncs_protocol import Code, NcsError
from ncs_streamer.auth import Principal, TokenIssuer

pytestmark = pytest.mark.unit

MANY = examples(100)

SECRET = "a-secret-of-this-server-0123456789"
ISSUER = TokenIssuer(SECRET, lifetime_s=900.0)
NOW = 1_700_000_000.0


def issued(**more: Any) -> str:
    fields: dict[str, Any] = {"subject": "ada", "tenant": "acme", "now": NOW}
    return ISSUER.issue(**(fields | {"scopes": ("read", "write")} | more))


TOKEN = issued()
CLAIMS = {
    "iss": "ncs",
    "sub": "ada",
    "tenant": "acme",
    "scopes": ["read"],
    "iat": int(NOW),
    "exp": int(NOW) + 900,
}


def code_of(token: str, now: float = NOW, issuer: TokenIssuer = ISSUER) -> Code:
    with pytest.raises(NcsError) as caught:
        issuer.verify(token, now)
    return caught.value.code


def part(value: Any) -> str:
    """Return a part of a token as it travels."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def forged(header: Any, claims: Any, secret: bytes = SECRET.encode()) -> str:
    """Return a token signed by hand with HMAC-SHA-256, whatever it says of itself."""
    body = f"{part(header)}.{part(claims)}"
    return f"{body}.{part(hmac.digest(secret, body.encode(), hashlib.sha256))}"


def signed(claims: dict[str, Any]) -> str:
    """Return a token that really has our signature."""
    return forged({"alg": "HS256", "typ": "JWT"}, claims)


def test_a_token_made_by_hand_is_taken_when_it_is_right() -> None:
    assert ISSUER.verify(signed(CLAIMS), NOW).subject == "ada"


# What a token says


def test_a_token_stands_for_its_principal() -> None:
    assert ISSUER.verify(issued(user_id="ada"), NOW) == Principal(
        tenant="acme",
        subject="ada",
        scopes=frozenset({"read", "write"}),
        kind="token",
        credential="ada",
        expires_at=NOW + 900,
    )


def test_a_token_that_no_user_stands_behind_has_no_credential() -> None:
    assert ISSUER.verify(TOKEN, NOW).credential == ""


def test_a_token_carries_the_documented_claims() -> None:
    token = issued(user_id="ada", email="ada@acme.example")
    claims = jwt.decode(token, SECRET, ["HS256"], options={"verify_exp": False})
    assert claims.pop("jti")
    assert claims == {
        **CLAIMS,
        "scopes": ["read", "write"],
        "user_id": "ada",
        "email": "ada@acme.example",
    }


def test_a_script_can_read_the_expiry_without_the_secret() -> None:
    claims = jwt.decode(TOKEN, options={"verify_signature": False})
    assert claims["exp"] == int(NOW) + 900


def test_the_secret_is_not_in_the_token() -> None:
    assert SECRET not in "".join(
        base64.urlsafe_b64decode(text + "==").decode("latin-1")
        for text in TOKEN.split(".")
    )


def test_no_two_tokens_are_the_same() -> None:
    assert issued() != issued()


# Expiry


@pytest.mark.parametrize("age", [0.0, 899.0, 899.999])
def test_a_token_holds_until_it_expires(age: float) -> None:
    assert ISSUER.verify(TOKEN, NOW + age).subject == "ada"


@pytest.mark.parametrize("age", [900.0, 901.0, 1e9])
def test_a_token_expires_by_the_clock_that_is_given(age: float) -> None:
    assert code_of(TOKEN, NOW + age) is Code.TOKEN_EXPIRED


def test_a_lifetime_can_be_asked_for() -> None:
    token = issued(lifetime_s=60.0)
    assert ISSUER.verify(token, NOW).expires_at == NOW + 60


def test_a_token_from_a_clock_that_is_ahead_is_taken() -> None:
    assert ISSUER.verify(issued(now=NOW + 3600), NOW).subject == "ada"


def test_an_expired_forgery_is_a_forgery() -> None:
    token = forged({"alg": "HS256"}, CLAIMS, b"another-secret-of-32-characters!")
    assert code_of(token, NOW + 1e6) is Code.TOKEN_INVALID


# Forgeries


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", ""])
def test_a_token_without_a_signature_is_refused(alg: str) -> None:
    body = f"{part({'alg': alg, 'typ': 'JWT'})}.{part(CLAIMS)}"
    for token in (f"{body}.", f"{body}.{part(b'x')}", f"{body}.{TOKEN.split('.')[2]}"):
        assert code_of(token) is Code.TOKEN_INVALID


RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PRIVATE = RSA.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
PUBLIC = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def test_a_token_signed_with_an_rsa_key_is_refused() -> None:
    assert code_of(jwt.encode(CLAIMS, PRIVATE, "RS256")) is Code.TOKEN_INVALID


def test_a_public_key_taken_for_a_secret_is_refused() -> None:
    token = forged({"alg": "HS256", "typ": "JWT"}, CLAIMS, PUBLIC)
    assert code_of(token) is Code.TOKEN_INVALID


def test_a_public_key_in_the_header_is_not_believed() -> None:
    header = {"alg": "RS256", "jwk": {"kty": "RSA"}, "x5c": [PUBLIC.decode()]}
    token = jwt.encode(CLAIMS, PRIVATE, "RS256", headers=header)
    assert code_of(token) is Code.TOKEN_INVALID


@pytest.mark.parametrize("alg", ["HS384", "HS512"])
def test_another_algorithm_with_our_secret_is_refused(alg: str) -> None:
    body = f"{part({'alg': alg})}.{part(CLAIMS)}"
    name = f"sha{alg[2:]}"
    token = f"{body}.{part(hmac.digest(SECRET.encode(), body.encode(), name))}"
    assert code_of(token) is Code.TOKEN_INVALID


@pytest.mark.parametrize("secret", [b"", b"a", SECRET.encode() + b"!", b"x" * 34])
def test_another_secret_is_refused(secret: bytes) -> None:
    assert code_of(forged({"alg": "HS256"}, CLAIMS, secret)) is Code.TOKEN_INVALID


def test_a_token_of_another_server_is_refused() -> None:
    other = TokenIssuer("another-secret-of-another-server-1", 900.0)
    assert code_of(TOKEN, issuer=other) is Code.TOKEN_INVALID


@pytest.mark.parametrize(
    ("claim", "value"),
    [("sub", "eve"), ("tenant", "other"), ("scopes", ["admin"]), ("exp", 2**40)],
)
def test_a_changed_claim_is_noticed(claim: str, value: Any) -> None:
    header, _, signature = signed(CLAIMS).split(".")
    token = f"{header}.{part({**CLAIMS, claim: value})}.{signature}"
    assert code_of(token) is Code.TOKEN_INVALID


@given(st.integers(0, len(TOKEN) - 2), st.sampled_from("AZaz09-_.=\n"))
@MANY
def test_any_changed_character_is_noticed(place: int, character: str) -> None:
    token = TOKEN[:place] + character + TOKEN[place + 1 :]
    if token != TOKEN:
        assert code_of(token) is Code.TOKEN_INVALID


DEEP = b"[" * 5000
STRANGE = {
    "nothing": "",
    "two dots": "..",
    "one part": part(CLAIMS),
    "four parts": TOKEN + ".a",
    "no base64": "!.!.!",
    "no JSON": f"{part(b'x')}.{part(b'x')}.{part(b'x')}",
    "a list for a header": forged([], CLAIMS),
    "a list of claims": forged({"alg": "HS256"}, []),
    "a header without algorithm": forged({}, CLAIMS),
    "a number for an algorithm": forged({"alg": 5}, CLAIMS),
    "a list for an algorithm": forged({"alg": ["HS256"]}, CLAIMS),
    "a header that is nested deep": f"{part(DEEP)}.{part(CLAIMS)}.{part(b'x')}",
    "claims that are nested deep": forged({"alg": "HS256"}, DEEP),
    "letters beyond ASCII": "ä.ö.ü",
    "bytes that a header could not decode": "a.b.\udcff",
    "a great deal": "a" * 100_000 + ".b.c",
}


@pytest.mark.parametrize("token", STRANGE.values(), ids=STRANGE)
def test_what_is_no_token_is_refused(token: str) -> None:
    assert code_of(token) is Code.TOKEN_INVALID


@given(st.text('AZaz09-_.={}[]" ä\udcff', max_size=60))
@MANY
def test_any_text_is_refused(token: str) -> None:
    assert code_of(token) is Code.TOKEN_INVALID


# Claims that our own signature does not make right


@pytest.mark.parametrize("claim", [*CLAIMS])
def test_a_token_without_a_claim_is_refused(claim: str) -> None:
    claims = {name: value for name, value in CLAIMS.items() if name != claim}
    assert code_of(signed(claims)) is Code.TOKEN_INVALID


WRONG: dict[str, list[Any]] = {
    "iss": ["other", "NCS", "", None, ["ncs"]],
    "sub": [5, None, ["ada"]],
    "tenant": [5, None, ["acme"]],
    "scopes": ["read", "", None, {"read": 1}, ["root"], ["read", "root"], [None], [5],
               [["read"]], [{}]],
    "exp": ["soon", "1800000000", None, [], {}, float("nan"), 10**400],
}  # fmt: skip


@pytest.mark.parametrize(
    ("claim", "value"),
    [(claim, value) for claim, values in WRONG.items() for value in values],
    ids=lambda value: repr(value)[:20],
)
def test_a_claim_of_another_type_or_value_is_refused(claim: str, value: Any) -> None:
    assert code_of(signed({**CLAIMS, claim: value})) is Code.TOKEN_INVALID
