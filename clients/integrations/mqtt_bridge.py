"""From an MQTT broker to NCS, exactly once: the broker is acked when the model has it.

    NCS_API_KEY=... mqtt_bridge.py --broker localhost --topic 'plant/+/vibration'

A message is a JSON list of numbers (a point), a list of such lists, or an object of
which `--fields` names the numbers. The bridge subscribes at QoS 1 with a session that
the broker keeps, so what comes while it is away waits there. After a crash the broker
sends again what was not acked; what the model has of it is recognised and acked.
"""

import argparse
import asyncio
import contextlib
import dataclasses
import hashlib
import logging
import os
import signal
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import paho.mqtt.client as mqtt
from handover import Handover, UnfitError
from paho.mqtt.enums import CallbackAPIVersion

from ncs_client import AsyncNCSClient

MOST_MESSAGES = 1000  # of one batch
REMEMBERED = 2000  # messages; more than a broker has in flight

log = logging.getLogger("mqtt_bridge")


@dataclasses.dataclass(frozen=True)
class Message:
    """One message of the broker."""

    mid: int
    """What the broker calls it, also when it sends it again."""
    topic: str
    payload: bytes
    is_resent: bool

    @property
    def mark(self) -> list[object]:
        """What it is recognised by: its number, which comes again after 65,535 others,
        and its content."""
        content = self.topic.encode() + b"\0" + self.payload
        return [self.mid, hashlib.blake2b(content, digest_size=12).hexdigest()]


class Broker:
    """The session with the broker; its own thread feeds a queue.

    The broker bounds the queue: it sends no more than so many messages without an ack.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self._loop = asyncio.get_running_loop()
        self._messages: deque[Message] = deque()
        self._arrived = asyncio.Event()
        self._args = args
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=args.client_id,
            clean_session=False,
            manual_ack=True,
        )
        if args.username:
            password = os.environ.get("MQTT_PASSWORD")
            self._client.username_pw_set(args.username, password)
        if args.tls:
            self._client.tls_set()
        self._client.on_connect = self._connected
        self._client.on_subscribe = self._subscribed
        self._client.on_message = self._received

    def begin(self) -> None:
        """Connect, and connect again for as long as it runs."""
        self._client.reconnect_delay_set(1, 30)
        self._client.connect_async(self._args.broker, self._args.port, keepalive=30)
        self._client.loop_start()

    def end(self) -> None:
        """Let go; what is not acked the broker sends again next time."""
        self._client.disconnect()
        self._client.loop_stop()

    async def take(self) -> list[Message]:
        """Return what has arrived, at least one message, in order."""
        while not self._messages:
            self._arrived.clear()
            await self._arrived.wait()
        count = min(len(self._messages), MOST_MESSAGES)
        return [self._messages.popleft() for _ in range(count)]

    def ack(self, messages: Sequence[Message]) -> None:
        """Tell the broker that these are done with."""
        for message in messages:
            self._client.ack(message.mid, 1)

    # Called on the thread of the session

    def _connected(self, client: mqtt.Client, *about: Any) -> None:
        _, _, code, _ = about
        if code.is_failure:
            log.error("the broker refuses the connection: %s", code)
            return
        # The broker sends again all that is not acked: what waits here would be double.
        self._loop.call_soon_threadsafe(self._messages.clear)
        client.subscribe([(topic, 1) for topic in self._args.topic])

    def _subscribed(self, client: mqtt.Client, *about: Any) -> None:
        _, _, codes, _ = about
        for topic, code in zip(self._args.topic, codes, strict=True):
            if code.is_failure:
                log.error("the broker refuses %s: %s", topic, code)
        print("subscribed", flush=True)

    def _received(
        self, client: mqtt.Client, data: object, got: mqtt.MQTTMessage
    ) -> None:
        message = Message(got.mid, got.topic, bytes(got.payload), got.dup)
        self._loop.call_soon_threadsafe(self._take_in, message)

    def _take_in(self, message: Message) -> None:
        self._messages.append(message)
        self._arrived.set()


class Bridge:
    """Takes messages from the broker, hands their points over, and acks them then."""

    def __init__(self, broker: Broker, handover: Handover, fields: list[str]) -> None:
        self._broker = broker
        self._handover = handover
        self._fields = fields

    async def run(self) -> None:
        """Do so until cancelled."""
        while True:
            fresh = []
            for message in await self._broker.take():
                if message.is_resent and message.mark in self._known:
                    self._broker.ack([message])  # its ack had been lost
                else:
                    fresh.append((message, self._points(message)))
            if fresh:
                await self._deliver(fresh)

    @property
    def _known(self) -> list[list[object]]:
        """Marks of the last messages that are in the model."""
        return self._handover.position or []

    async def _deliver(self, taken: list[tuple[Message, list[list[float]]]]) -> None:
        messages = [message for message, _ in taken]
        points = [point for _, found in taken for point in found]
        marks = [*self._known, *(message.mark for message in messages)]
        try:
            await self._handover.deliver(points, marks[-REMEMBERED:])
        except UnfitError as error:
            if len(taken) > 1:  # one of them is at fault; the others are not
                half = len(taken) // 2
                await self._deliver(taken[:half])
                await self._deliver(taken[half:])
                return
            log.error("a message of %s is left out: %s", messages[0].topic, error)
        self._broker.ack(messages)

    def _points(self, message: Message) -> list[list[float]]:
        """Return the points of a message; none, and a line in the log, if it is bad."""
        try:
            content = orjson.loads(message.payload)
            if isinstance(content, dict):
                content = [content[name] for name in self._fields]
            rows = content if isinstance(content[0], list) else [content]
            return [[float(value) for value in row] for row in rows]
        except (KeyError, IndexError, TypeError, ValueError) as error:
            log.error("a message of %s is left out: %r", message.topic, error)
            return []


def arguments() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--broker", default="localhost", metavar="HOST")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--topic", action="append", required=True, help="repeatable")
    parser.add_argument(
        "--client-id", default="ncs-bridge", help="by which the broker keeps messages"
    )
    parser.add_argument("--username", help="its password is in MQTT_PASSWORD")
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--fields", default="", help="of objects, for example x,y,z")
    parser.add_argument("--stream", default="default")
    parser.add_argument(
        "--state",
        type=Path,
        default=Path(os.environ.get("STATE_DIRECTORY", "."), "mqtt-bridge.json"),
        help="file of the batch at hand; keep it on a disk",
    )
    return parser.parse_args()


async def main() -> None:
    """Bridge until SIGTERM or Ctrl-C."""
    args = arguments()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    url = os.environ.get("NCS_URL", "http://127.0.0.1:8000")
    async with AsyncNCSClient(url, os.environ["NCS_API_KEY"]) as client:
        handover = Handover(client, args.stream, args.state)
        await handover.begin()
        broker = Broker(args)
        bridge = Bridge(broker, handover, [f for f in args.fields.split(",") if f])
        running = asyncio.ensure_future(bridge.run())
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, running.cancel)
        broker.begin()
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await running
        finally:
            broker.end()


if __name__ == "__main__":
    asyncio.run(main())
