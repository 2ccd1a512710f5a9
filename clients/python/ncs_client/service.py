"""Clustering as a service inside a program: guarded, counted, and never raising.

A failure comes as an envelope that says what went wrong and under which key the same
batch may be sent again without counting twice.
"""

from __future__ import annotations

import enum
import logging
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any, NotRequired, Self, TypedDict

from .breaker import CircuitBreaker
from .client import AsyncNCSClient
from .errors import (
    CircuitBreakerOpenException,
    NcsClientError,
    UnavailableError,
    UnreachableError,
)
from .metrics import MetricsCollector
from .results import Health, ProcessResult

__all__ = ["ClusteringService", "ServiceHealth", "ServiceReply"]

_FAILURES = (UnreachableError, UnavailableError)
"""What says something about the server; other refusals are about one batch."""

_CLIENT = ("timeout", "max_retries", "ssl")
_BREAKER = ("failure_threshold", "recovery_timeout")
_OPTIONS = frozenset(("api_url", "api_key", "stream", "pool", *_CLIENT, *_BREAKER))


class ServiceHealth(enum.Enum):
    """How the service is."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    """The breaker is not closed."""
    UNHEALTHY = "unhealthy"
    """The server is not there, or not ready."""


class ServiceReply(TypedDict):
    """What `process_data` returns."""

    success: bool
    request_id: str | None
    idempotency_key: str
    """The same batch sent again with this in `metadata` counts once."""
    result: NotRequired[ProcessResult]
    error: NotRequired[str]
    error_type: NotRequired[str]
    """`circuit_breaker`, or the name of the exception."""
    processing_time: NotRequired[float]
    """Seconds."""


class ClusteringService:
    """A client with a breaker, metrics and a state of health; see the module.

    Args:
        config: `api_url` and `api_key`; and, if wanted, `stream`, `timeout` (seconds),
            `max_retries`, `ssl`, `pool` (see `PoolOptions`); `failure_threshold` [5]
            and `recovery_timeout` [60 s] of the breaker.
        clock: for the breaker; returns seconds, and never goes back.

    Attributes:
        config: as given.
        client: None before `start`.
        health_status: as of `start` or the last `get_service_health`.
        circuit_breaker: opens when the server is away or cannot do its work.
        metrics_collector: `requests_total`, `requests_successful`, `requests_failed`,
            `requests_circuit_breaker`, `processing_time_seconds`,
            `error_processing_time_seconds`, `points_processed_total`.
        logger: takes one record a request, with the fields of the reply as `extra`.

    Raises:
        TypeError: for a name in `config` that is no option.
    """

    def __init__(
        self, config: Mapping[str, Any], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if unknown := config.keys() - _OPTIONS:
            raise TypeError(f"a clustering service has no option {min(unknown)!r}")
        self.config = config
        self.client: AsyncNCSClient | None = None
        self.health_status = ServiceHealth.UNHEALTHY
        self.circuit_breaker = CircuitBreaker(
            config.get("failure_threshold", 5),
            config.get("recovery_timeout", 60.0),
            _FAILURES,
            clock=clock,
        )
        self.metrics_collector = MetricsCollector()
        self.logger = logging.getLogger("ncs_client.service")

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start(self) -> None:
        """Make the client, and see that the server is there and ready.

        Raises:
            NcsClientError: if it is not.
        """
        self.client = AsyncNCSClient(
            self.config["api_url"],
            self.config["api_key"],
            self.config.get("pool"),
            **{name: self.config[name] for name in _CLIENT if name in self.config},
        )
        try:
            health = await self.client.health_check()
            if not health.algorithm_ready:
                raise NcsClientError(f"the server is {health.status}")
        except NcsClientError as error:
            self.logger.error("service not started: %s", error)
            await self.close()
            raise
        self.health_status = ServiceHealth.HEALTHY
        self.logger.info("service started")

    async def close(self) -> None:
        """Let go of the connections."""
        if self.client is not None:
            await self.client.close()
            self.client = None
        self.health_status = ServiceHealth.UNHEALTHY

    async def process_data(
        self, data: Any, metadata: Mapping[str, Any] | None = None
    ) -> ServiceReply:
        """Cluster a batch.

        Args:
            data: see `process_points`.
            metadata: echoed in the events that the batch causes. Of it `request_id`
                comes back in the reply and is told to the server's log, and
                `idempotency_key` names the batch.
        """
        about = dict(metadata or {})
        key = about.pop("idempotency_key", None) or uuid.uuid4().hex
        reply = ServiceReply(
            success=False, request_id=about.get("request_id"), idempotency_key=key
        )
        self.metrics_collector.increment("requests_total")
        began = time.monotonic()
        try:
            async with self.circuit_breaker:
                reply["result"] = await self._started().process_points(
                    data,
                    stream=self.config.get("stream", "default"),
                    metadata=about or None,
                    idempotency_key=key,
                    request_id=reply["request_id"],
                )
            reply["success"] = True
        except CircuitBreakerOpenException as error:
            reply["error"] = "Service temporarily unavailable"
            reply["error_type"] = "circuit_breaker"
            self._note(reply, error)
        except Exception as error:
            reply["error"], reply["error_type"] = str(error), type(error).__name__
            reply["processing_time"] = time.monotonic() - began
            self._note(reply, error)
        else:
            reply["processing_time"] = time.monotonic() - began
            self._note(reply, None)
        return reply

    def _note(self, reply: ServiceReply, error: Exception | None) -> None:
        """Count and log how a request ended."""
        metrics, seconds = self.metrics_collector, reply.get("processing_time", 0.0)
        told = {name: value for name, value in reply.items() if name != "result"}
        if isinstance(error, CircuitBreakerOpenException):
            metrics.increment("requests_circuit_breaker")
            self.logger.warning("not tried: %s", error, extra=told)
        elif error is not None:
            metrics.increment("requests_failed")
            metrics.record("error_processing_time_seconds", seconds)
            self.logger.error("not processed: %s", error, extra=told, exc_info=error)
        else:
            result = reply["result"]
            metrics.increment("requests_successful")
            metrics.record("processing_time_seconds", seconds)
            metrics.record("points_processed_total", result.points_processed)
            told["points_count"] = result.points_processed
            told["clusters_found"] = len(result.clusters)
            told["processing_time_ms"] = result.processing_time_ms
            self.logger.info("processed", extra=told)

    def _started(self) -> AsyncNCSClient:
        if self.client is None:
            raise NcsClientError("the service is not started")
        return self.client

    async def get_service_health(self) -> dict[str, Any]:
        """Return `status`, `api_health`, `circuit_breaker`, `metrics`, `timestamp`.

        If the server does not answer: `status`, `error` and `timestamp`.
        """
        breaker = self.circuit_breaker
        try:
            api = await self._started().health_check()
        except NcsClientError as error:
            self.health_status = ServiceHealth.UNHEALTHY
            self.logger.error("health check failed: %s", error)
            status = self.health_status.value
            return {"status": status, "error": str(error), "timestamp": time.time()}
        self.health_status = _health(api, breaker)
        return {
            "status": self.health_status.value,
            "api_health": {
                "status": api.status,
                "algorithm_ready": api.algorithm_ready,
                "uptime_seconds": api.uptime_seconds,
            },
            "circuit_breaker": {
                "state": breaker.current_state,
                "failure_count": breaker.failure_count,
            },
            "metrics": self.metrics_collector.get_summary(),
            "timestamp": time.time(),
        }


def _health(api: Health, breaker: CircuitBreaker) -> ServiceHealth:
    """Return the one word for server and breaker together."""
    if not api.algorithm_ready or api.status == "unhealthy":
        return ServiceHealth.UNHEALTHY
    if api.status != "healthy" or breaker.current_state != "closed":
        return ServiceHealth.DEGRADED
    return ServiceHealth.HEALTHY
