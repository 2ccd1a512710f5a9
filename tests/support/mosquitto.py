"""A real MQTT broker, what sends to it, and a line to it that loses acks."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from real_server import free_port

from ncs_streamer.verify.proxy import Line, Proxy

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


class DeafLine(Proxy):
    """A line to the broker; once `deaf`, the broker hears nothing over it any more."""

    def __init__(self, broker: Broker) -> None:
        super().__init__(lambda: f"mqtt://127.0.0.1:{broker.port}", random.Random(1))
        self.deaf = False
        self.swallowed = 0

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rpartition(":")[2])

    async def _sent(
        self, line: Line, client: asyncio.StreamReader
    ) -> AsyncIterator[bytes]:
        async for chunk in super()._sent(line, client):
            if self.deaf:
                self.swallowed += len(chunk)
            else:
                yield chunk
