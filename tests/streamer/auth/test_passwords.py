from __future__ import annotations

import pytest

from ncs_streamer.auth import hash_password, passwords, verify_password

pytestmark = pytest.mark.unit

HASH = hash_password("correct horse")  # made once: hashing is slow on purpose


def test_a_hash_says_that_it_is_argon2id() -> None:
    assert HASH.startswith("$argon2id$v=19$m=")


def test_a_hash_does_not_hold_the_password() -> None:
    assert "correct" not in HASH


def test_two_hashes_of_one_password_differ() -> None:
    assert hash_password("correct horse") != HASH


def test_the_right_password_is_verified() -> None:
    assert verify_password("correct horse", HASH)


WRONG = ["", "Correct horse", "correct horse ", HASH]


@pytest.mark.parametrize("password", WRONG, ids=["none", "case", "longer", "hash"])
def test_a_wrong_password_is_not(password: str) -> None:
    assert not verify_password(password, HASH)


def test_nobody_has_a_password() -> None:
    assert not verify_password("a password that no user has", None)


def test_an_empty_hash_is_nobodys() -> None:
    assert not verify_password("a password that no user has", "")


@pytest.mark.parametrize("stored", ["nonsense", "$argon2id$v=19$", "$2b$12$x"])
def test_no_password_fits_what_is_no_hash(stored: str) -> None:
    assert not verify_password("correct horse", stored)


@pytest.mark.parametrize("stored", [HASH, None], ids=["a user", "nobody"])
def test_a_user_who_does_not_exist_takes_as_much_work(
    stored: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified: list[str] = []

    class Counting:
        def verify(self, stored: str, password: str) -> bool:
            verified.append(stored.rpartition("$")[0].rpartition("$")[0])
            return True

    verify_password("guess", stored)  # what it makes once it has made now
    monkeypatch.setattr(passwords, "_HASHER", Counting())
    verify_password("guess", stored)
    parameters = HASH.rpartition("$")[0].rpartition("$")[0]
    assert verified == [parameters]
