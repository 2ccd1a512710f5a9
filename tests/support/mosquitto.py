"""A real MQTT broker, what sends to it, and a line to it that loses acks."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from real_server import free_port

__all__ = ["Broker", "DeafLine", "broker_on"]


class Broker:
    """A running broker."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def publish(self, messages: Iterable[tuple[str, str]]) -> None:
        """Return once the broker has (topic, payload), at QoS 1, in this order."""
        await asyncio.to_thread(self._publish, list(messages))

    def _publish(self, messages: list[tuple[str, str]]) -> None:
        client = mqtt.Client(CallbackAPIVersion.VERSION2)
        client.connect("127.0.0.1", self.port)
        client.loop_start()
        sent = [client.publish(topic, text, qos=1) for topic, text in messages]
        for one in sent:
            one.wait_for_publish(30)
        client.disconnect()
        client.loop_stop()


@contextlib.asynccontextmanager
async def broker_on(folder: Path, *, strangers: bool = True) -> AsyncIterator[Broker]:
    """Run mosquitto; it keeps sessions for as long as it runs.

    Args:
        folder: for its configuration.
        strangers: whether it lets everybody in.
    """
    program = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    assert program, "mosquitto is missing: sudo apt-get install mosquitto"
    port, config = free_port(), folder / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous {str(strangers).lower()}\n"
        "persistence false\n"
        "max_queued_messages 100000\n"
    )
    process = await asyncio.create_subprocess_exec(
        program, "-c", str(config), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        await _listening(port)
        yield Broker(port)
    finally:
        process.kill()
        await process.wait()


async def _listening(port: int) -> None:
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.01)


class DeafLine:
    """A line to the broker; once `deaf`, the broker hears nothing over it any more."""

    def __init__(self, broker: Broker) -> None:
        self.deaf = False
        self.port = 0
        self.swallowed = 0
        self._broker = broker
        self._writers: list[asyncio.StreamWriter] = []

    def cut(self) -> None:
        """End the connections over it; new ones may come."""
        for writer in self._writers:
            writer.close()
        self._writers.clear()

    async def __aenter__(self) -> DeafLine:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _carry(
        self, near: asyncio.StreamReader, to_near: asyncio.StreamWriter
    ) -> None:
        far, to_far = await asyncio.open_connection("127.0.0.1", self._broker.port)
        self._writers += [to_near, to_far]
        back = asyncio.create_task(self._back(far, to_near))
        while data := await near.read(65536):
            if self.deaf:
                self.swallowed += len(data)
            else:
                to_far.write(data)
        to_far.close()
        to_near.close()
        await asyncio.gather(back, return_exceptions=True)

    @staticmethod
    async def _back(far: asyncio.StreamReader, to_near: asyncio.StreamWriter) -> None:
        while data := await far.read(65536):
            to_near.write(data)
