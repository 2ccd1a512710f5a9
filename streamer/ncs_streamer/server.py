"""The server as a whole: what lives as long as the process, its start and its end."""

from __future__ import annotations

import asyncio
import enum
import hashlib
import hmac
import itertools
import math
import platform
import random
import secrets
import socket
from pathlib import Path
from typing import IO

import ncs_engine
import ncs_protocol
from ncs_protocol import NcsError
from ncs_protocol.messages import GatewayReport

from . import __version__
from .auth import Authenticator, TokenIssuer, User, hash_password
from .backlog import Backlog
from .clock import Clock
from .cluster.orders import Order
from .cluster.roll_call import RollCall
from .cluster.streams import ClusterConfig, ClusterStreams
from .cluster.usage import Usage
from .committer import Committer
from .connection import Connection
from .door import HANDSHAKES, Door, DoorLimits, Place, Places, room_for_sockets
from .effects import Greet
from .event_stream import EventStream
from .fanout import Fanout
from .history import HistoryBounds
from .limiter import STRANGERS, RateLimiter
from .link import Pulse
from .logs import get_log
from .metrics import Metrics
from .outbox import Patience
from .presence import FlappingLimit, Roll
from .saving import SnapshotPolicy
from .services import Services
from .session import SessionConfig, State
from .settings import Settings, SettingsError
from .shadow import ShadowBounds, Shadows
from .store import Store, StoreError, lock_folder
from .stream_model import Applied
from .streams import Streams
from .threads import FairThreads

__all__ = ["Phase", "Server"]

_TICK_S = 1.0
_PARTS = 20  # in which all connections have their tick
_RECHECK_TICKS = 5
_RECONNECT_SPREAD_MS = 5000
_MIB = 1024 * 1024

log = get_log()


class Phase(enum.Enum):
    """Where the process is in its life."""

    STARTING = "starting"
    SERVING = "serving"
    DRAINING = "draining"


class Server:
    """See the module.

    Args:
        settings: in force.
        store: not opened yet.
        clock: where the time comes from.
    """

    def __init__(
        self, settings: Settings, store: Store, clock: Clock | None = None
    ) -> None:
        self.settings = settings
        self.clock = clock or Clock()
        self.store = store
        self.metrics = Metrics()
        self.limits = settings.limits
        self.phase = Phase.STARTING
        self.started_at = self.clock.monotonic()
        self.connections: set[Connection | EventStream] = set()
        self._threads = FairThreads(settings.engine_threads, "ncs-engine")
        self.backlog = Backlog(
            settings.max_backlog_mb * _MIB, settings.tenant_backlog_mb * _MIB
        )
        self.committer = Committer(
            store,
            self.metrics,
            self.clock,
            self.backlog,
            lambda _: self._note_readiness(),
        )
        self.fanout = Fanout(settings.event_tick_ms / 1000, self.clock.monotonic)
        self.patience = Patience(
            settings.outbox_kb * 1024,
            settings.lagging_s,
            settings.skipping_s,
            settings.hopeless_s,
        )
        self.pulse = Pulse(settings.heartbeat_s, settings.hopeless_s)
        self.roll = Roll(
            FlappingLimit(settings.flapping_connects, settings.flapping_window_s)
        )
        services = Services(
            roll=self.roll,
            store=store,
            committer=self.committer,
            threads=self._threads,
            metrics=self.metrics,
            clock=self.clock,
            backlog=self.backlog,
            event_tick_s=settings.event_tick_ms / 1000,
            snapshots=SnapshotPolicy(
                settings.snapshot_points,
                settings.snapshot_interval_s,
                settings.snapshot_journal_mb * _MIB,
            ),
            history=HistoryBounds(
                settings.history_events,
                int(settings.history_mb * _MIB),
                settings.history_hours * 3600,
            ),
            wake=self.fanout.wake,
            max_producers=settings.max_producers,
        )
        self.shadows = Shadows(
            store,
            self._threads,
            self.metrics,
            self.clock,
            ShadowBounds(settings.max_shadows, settings.shadow_cpu_s),
        )
        streams = Streams(services, settings.engine_params, settings.max_streams)
        self.streams: Streams | ClusterStreams = streams
        self.cluster: ClusterStreams | None = None
        if settings.is_clustered:
            self.streams = self.cluster = ClusterStreams(
                streams, cluster_config(settings), settings.max_streams
            )
            self.cluster.on_order = self._obey
        lifetime_s = 60 * settings.access_token_expire_minutes
        self.issuer = TokenIssuer(signing_secret(settings), lifetime_s)
        self.authenticator = Authenticator(store.directory, self.issuer)
        self.versions = {
            "server": __version__,
            "protocol": ncs_protocol.__version__,
            "engine": ncs_engine.__version__,
        }
        self.session_config = SessionConfig(
            limits=self.limits,
            durability=store.durability,
            versions=self.versions,
            credit_bytes=settings.session_credit_kb * 1024,
            heartbeat_s=settings.heartbeat_s,
            hello_timeout_s=settings.hello_timeout_s,
            max_subscriptions=settings.max_subscriptions,
            report_interval_s=settings.report_interval_s,
            strict_input=settings.strict_input,
        )
        self.limiter = RateLimiter()
        self.places = Places(
            self.limiter,
            per_address=settings.max_connections_per_address,
            per_tenant=settings.max_connections_per_tenant,
            handshakes_per_minute=settings.handshakes_per_minute,
        )
        self._shared: list[Usage | RollCall] = []
        if self.cluster is not None:
            me, channel = self.cluster.me, store.channel
            self._shared = [
                Usage(me, channel, self.limiter, self.places, self.clock),
                RollCall(me, channel, self.roll, self.clock),
            ]
        self.door = Door(
            DoorLimits(
                max_sockets=settings.max_sockets or room_for_sockets(),
                max_unauthenticated=settings.max_unauthenticated,
                header_timeout_s=settings.header_timeout_s,
                frame_timeout_s=settings.frame_timeout_s,
                response_timeout_s=settings.response_timeout_s,
                idle_timeout_s=settings.idle_timeout_s,
            ),
            self.metrics,
            self.clock,
        )
        self._producers: dict[tuple[str, str], Connection] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._lock: IO[str] | None = None
        self.metrics.set(
            "ncs_build_info",
            1,
            __version__,
            ncs_engine.__version__,
            platform.python_version(),
        )
        self.metrics.set("ncs_engine_kernel_info", 1, *ncs_engine.kernel_info())

    # Life

    def take_folder(self) -> None:
        """Take the data folder for this process; before anything else.

        Raises:
            StoreError: if another server has it, or it cannot be used.
        """
        if self.settings.store_kind == "sqlite":
            self._lock = lock_folder(self.settings.data_dir)

    async def start(self) -> None:
        """Open the store, bring the streams back, begin to work.

        Raises:
            StoreError: if the store cannot be used or a stream not be recovered.
        """
        await self.store.open()
        await self._first_user()
        await self.streams.recover()
        self._tasks = [
            asyncio.create_task(self.committer.run()),
            asyncio.create_task(self.streams.run(self.settings.status_interval_s)),
            asyncio.create_task(self._tick()),
        ]
        for shared in self._shared:
            await shared.listen()
            self._tasks.append(asyncio.create_task(shared.run()))
        self.phase = Phase.SERVING
        self._note_readiness()

    async def stop(self) -> None:
        """Answer everything in flight, say goodbye, save, let go."""
        self.phase = Phase.DRAINING
        self._note_readiness()
        spread = range(_RECONNECT_SPREAD_MS)
        try:
            async with asyncio.timeout(self.settings.drain_timeout_s):
                outcomes = await asyncio.gather(
                    *(c.drain(random.choice(spread)) for c in self.connections),  # noqa: S311 - no secret
                    return_exceptions=True,
                )
            for error in outcomes:
                if error is not None:  # everything is saved all the same
                    log.error("drain_failed", error=repr(error))
        except TimeoutError:
            log.warning("drain_timed_out", connections=len(self.connections))
        for connection in self.connections:
            connection.abort()
        try:
            async with asyncio.timeout(self.settings.drain_timeout_s):
                await self.streams.close()
        except TimeoutError:
            log.warning("save_timed_out", streams=len(self.streams))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._threads.shutdown()
        await self.store.close()
        if self._lock is not None:
            self._lock.close()

    @property
    def draining(self) -> bool:
        """Whether the server takes nothing new."""
        return self.phase is Phase.DRAINING

    @property
    def ready(self) -> bool:
        """Whether the server should get traffic."""
        may = self.cluster is None or not self.cluster.trouble
        return self.phase is Phase.SERVING and self.committer.healthy and may

    def _note_readiness(self) -> None:
        self.metrics.set("ncs_ready", float(self.ready))

    async def _tick(self) -> None:
        """One timer for the deadlines of all connections, a few of them at a time."""
        for tick in itertools.count():
            if tick % _RECHECK_TICKS == 0:
                await self.recheck_sessions()
                self.roll.forget_old(self.clock.now())
            everyone, waiting = list(self.connections), 0
            size = math.ceil(len(everyone) / _PARTS)
            for part in range(_PARTS):
                await asyncio.sleep(_TICK_S / _PARTS)
                now = self.clock.now()
                for connection in everyone[part * size : (part + 1) * size]:
                    try:
                        connection.tick(now)
                    except Exception as error:  # the others shall have theirs
                        connection.fail(error)
                    waiting += connection.waiting_bytes
            self.metrics.set("ncs_outbox_bytes", waiting)
            restored, lost = self.store.losses.take()
            self.metrics.count("ncs_journal_restored_total", by=restored)
            self.metrics.count("ncs_acked_loss_total", by=lost)
            if self.store.losses.may_lack:
                self.store.losses.may_lack = False
                for stream in self.streams.all():
                    stream.compare()
            self.metrics.set("ncs_slow_readers", self.fanout.waiting)

    async def _first_user(self) -> None:
        """See that somebody can log in to a new development server."""
        settings, directory = self.settings, self.store.directory
        if settings.environment != "development" or await directory.users():
            return
        if settings.is_loopback:
            password = "admin123"  # noqa: S105 - documented, and only this machine can use it
        else:
            password = secrets.token_urlsafe(12)
            print(f"First start: log in as admin with the password {password}")
        await directory.put_user(
            User(
                name="admin",
                tenant="default",
                role="admin",
                password_hash=await asyncio.to_thread(hash_password, password),
                created_at=self.clock.now(),
            )
        )

    # Connections

    def make_session_id(self) -> str:
        """Return a name that no other session has."""
        return secrets.token_hex(8)

    def add(self, connection: Connection | EventStream) -> None:
        """Take note of a connection."""
        self.connections.add(connection)
        self.metrics.add("ncs_connections", 1, connection.kind)

    def discard(self, connection: Connection | EventStream) -> None:
        """Forget a connection."""
        self.connections.discard(connection)
        self.metrics.add("ncs_connections", -1, connection.kind)
        if isinstance(connection, EventStream):
            return
        session = connection.session
        if session.principal is None or session.producer is None:
            return
        producer = (session.principal.tenant, session.producer)
        if self._producers.get(producer) is connection:
            del self._producers[producer]
            self.roll.disconnected(*producer, self.clock.now())

    def take_place(self, peer: str) -> Place:
        """Return a place for a connection from `peer`; see `Places.take`."""
        try:
            return self.places.take(peer, self.clock.monotonic())
        except NcsError as error:
            self._note_refused(error)
            raise

    def join_place(self, place: Place, tenant: str) -> None:
        """Count a place for its tenant; see `Place.join`."""
        try:
            place.join(tenant)
        except NcsError as error:
            self._note_refused(error)
            raise

    def _note_refused(self, error: NcsError) -> None:
        """Count a connection that was refused its place."""
        if error.code is ncs_protocol.Code.TOO_MANY_CONNECTIONS:
            self.door.refused(error.code)
        else:
            self.metrics.count("ncs_rate_limited_total", HANDSHAKES)

    def take_over_producer(
        self, tenant: str, greeted: Greet, connection: Connection
    ) -> None:
        """Let the newest connection speak for a producer, and end the older one."""
        producer, now = greeted.producer, self.clock.now()
        assert producer is not None
        older = self._producers.get((tenant, producer))
        self._producers[tenant, producer] = connection
        connection.greeted_at = now
        if self.cluster is not None:
            order = Order("producer", self.cluster.me, tenant, producer, now)
            self.cluster.start(self.cluster.order(order))
        streams, label = greeted.streams, greeted.label
        if self.roll.connected(tenant, producer, streams, label, now):
            self.metrics.count("ncs_producers_flapped_total")
            log.warning("producer_flaps", tenant=tenant, producer=producer)
        if older is not None and older.session.state is not State.CLOSED:
            older.end(ncs_protocol.Code.PRODUCER_REPLACED)

    def _obey(self, order: Order) -> None:
        """Do what is said to all nodes."""
        match order.what:
            case "recheck":
                assert self.cluster is not None
                self.cluster.start(self.recheck_sessions())
            case "producer":
                older = self._producers.get((order.tenant, order.name))
                if older is not None and older.greeted_at < order.at:
                    older.end(ncs_protocol.Code.PRODUCER_REPLACED)

    def note_report(self, tenant: str, producer: str, report: GatewayReport) -> None:
        """Take note of what a gateway says of itself."""
        self.roll.reported(tenant, producer, report, self.clock.now())

    async def revoked(self) -> None:
        """End what a credential that was just revoked has opened, on all nodes."""
        await self.recheck_sessions()
        if self.cluster is not None:
            await self.cluster.order(Order("recheck"))

    async def recheck_sessions(self) -> None:
        """End the sessions whose key was revoked or whose user is gone."""
        principals = {c.session.principal for c in self.connections} - {None}
        for principal in principals:
            assert principal is not None
            try:
                await self.authenticator.recheck(principal)
            except NcsError as error:
                for connection in list(self.connections):
                    if connection.session.principal == principal:
                        connection.end(error.code)
            except StoreError as error:
                log.warning("recheck_failed", error=str(error))
                return

    def limit_stranger(self, peer: str) -> NcsError | None:
        """Count a refused credential; return what to say instead if it was too many.

        Only refusals count and are refused: a neighbour of an attacker, behind the same
        address, gets in with a good credential.
        """
        verdict = self.limiter.check(STRANGERS, peer, self.clock.monotonic())
        if verdict.allowed:
            return None
        return NcsError(
            ncs_protocol.Code.RATE_LIMITED,
            "Rate limit exceeded for ip",
            retry_after_s=verdict.retry_after_s,
        )

    # Accounts

    def note_batch(
        self,
        transport: str,
        points: int,
        arrived: float,
        outcome: Applied | NcsError,
        frames: int = 1,
    ) -> None:
        """Count a batch that is answered, of so many frames; `arrived` is monotonic."""
        if isinstance(outcome, NcsError):
            kind = "refused"
        else:
            kind = "duplicate" if outcome.duplicate else "applied"
            elapsed = self.clock.monotonic() - arrived
            self.metrics.observe("ncs_ack_seconds", elapsed, transport)
        self.metrics.count("ncs_batches_total", transport, kind, by=frames)
        self.metrics.count("ncs_points_total", transport, kind, by=points)

    def note_auth_failure(self, error: NcsError, peer: str, request_id: str) -> None:
        """Count and log a refused credential; the credential itself stays out."""
        self.metrics.count("ncs_auth_failures_total", error.code.wire)
        log.warning(
            "authentication_failed",
            reason=error.code.wire,
            user_id=error.subject,
            source_ip=peer,
            request_id=request_id,
        )


def cluster_config(settings: Settings) -> ClusterConfig:
    """Return what this node is told of itself.

    Raises:
        SettingsError: there is no secret that other nodes could have too.
    """
    secret = settings.cluster_secret or settings.secret_key
    if not secret:
        raise SettingsError(
            "the nodes on one store have to know each other: set the same SECRET_KEY,"
            " or cluster_secret, on all of them; make one with: openssl rand -base64 32"
        )
    key = hmac.digest(secret.encode(), b"ncs cluster", hashlib.sha256)
    # The same after a restart, which then need not wait for its own lease to end.
    place = settings.cluster_port or settings.data_dir.absolute()
    name = settings.node_name or f"{socket.gethostname()}:{place}"
    return ClusterConfig(name, key, settings.drain_timeout_s)


def signing_secret(settings: Settings) -> str:
    """Return the secret that signs tokens.

    Development without one makes one and keeps it beside the data, so that tokens
    survive a restart.
    """
    if settings.secret_key:
        return settings.secret_key
    if settings.store_kind == "memory":
        return secrets.token_urlsafe(48)
    path = Path(settings.data_dir) / "secret_key"
    try:
        if not path.exists() or not path.stat().st_size:
            # Whole or not at all: with half of a secret, or none, tokens can be forged.
            path.parent.mkdir(parents=True, exist_ok=True)
            new = path.with_suffix(".new")
            new.touch(mode=0o600)
            new.write_text(secrets.token_urlsafe(48))
            new.replace(path)
        return path.read_text()
    except OSError as error:
        raise StoreError(f"data_dir cannot be used: {error}") from None
