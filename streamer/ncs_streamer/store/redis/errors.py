"""What Redis' errors mean, and what to do about them."""

from __future__ import annotations

from redis import exceptions as redis_errors

from ..contracts import StoreError

__all__ = ["is_outage", "store_error"]

_ADVICE = {
    "OOM": "it is out of memory; raise maxmemory, or let streams be saved more often",
    "MISCONF": "it cannot write to its disk, and takes nothing",
    "READONLY": "it is a replica; what was the primary is not any more",
    "NOREPLICAS": "too few replicas follow it (min-replicas-to-write)",
    "LOADING": "it is loading its data",
    "BUSY": "a script keeps it busy; SCRIPT KILL ends that",
    "MASTERDOWN": "its primary is down",
    "CLUSTERDOWN": "the cluster is down",
    "NOPERM": "the user may not do that; see docs/redis.md for what to grant",
    "WRONGPASS": "it wants another user or password: redis_username, redis_password",
}
_OUTAGES = (redis_errors.ConnectionError, redis_errors.TimeoutError, OSError)
_ANSWERS = (  # kinds of ConnectionError that a server has sent
    redis_errors.BusyLoadingError,
    redis_errors.AuthenticationError,
    redis_errors.AuthorizationError,
    redis_errors.MaxConnectionsError,
)


def is_outage(error: BaseException) -> bool:
    """Return whether the server did not answer."""
    return isinstance(error, _OUTAGES) and not isinstance(error, _ANSWERS)


def store_error(place: str, error: BaseException) -> StoreError:
    """Return the error that callers know."""
    if isinstance(error, StoreError):
        return error
    text = str(error) or type(error).__name__
    if is_outage(error):
        return StoreError(f"redis_unavailable: {place}: {text}")
    for word in (_word_of(error), text.split(" ", 1)[0]):
        if word in _ADVICE:
            return StoreError(f"redis_{word.lower()}: {place}: {_ADVICE[word]}: {text}")
    return StoreError(f"redis_error: {place}: {text}")


def _word_of(error: BaseException) -> str:
    """Return the first word of the server's answer, which redis-py takes off."""
    kinds: dict[type[BaseException], str] = {
        redis_errors.OutOfMemoryError: "OOM",
        redis_errors.ReadOnlyError: "READONLY",
        redis_errors.BusyLoadingError: "LOADING",
        redis_errors.NoPermissionError: "NOPERM",
        redis_errors.MasterDownError: "MASTERDOWN",
        redis_errors.ClusterDownError: "CLUSTERDOWN",
        redis_errors.AuthenticationError: "WRONGPASS",
        redis_errors.AuthenticationWrongNumberOfArgsError: "WRONGPASS",
    }
    return kinds.get(type(error), "")
