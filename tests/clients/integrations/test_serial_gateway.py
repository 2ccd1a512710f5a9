"""A serial line that is a pseudo terminal, and a gateway that listens to it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from integration_program import Program, in_the_journal, learned
from real_server import client_of, free_port, server_on, wait_until

pytestmark = pytest.mark.integration


class Device:
    """What is at the other end of the line; may be plugged in somewhere else."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._end = -1
        self.plug_in()

    def plug_in(self) -> None:
        """Become a new line at the same place."""
        self._end, line = os.openpty()
        self.place.unlink(missing_ok=True)
        self.place.symlink_to(os.ttyname(line))
        os.close(line)
        self._line = os.open(self.place, os.O_RDWR | os.O_NOCTTY)

    def unplug(self) -> None:
        """Be gone."""
        self.place.unlink()
        os.close(self._line)
        os.close(self._end)
        self._end = -1

    def say(self, text: str) -> None:
        """Send bytes."""
        os.write(self._end, text.encode())

    def measure(self, numbers: Iterable[int]) -> None:
        """Send a line for each number, that says which it is."""
        for n in numbers:
            self.say(f"{n}; {n % 7 * 10.0}\r\n")


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    device = Device(tmp_path / "tty")
    yield device
    if device._end >= 0:
        device.unplug()


def gateway(device: Device, url: str) -> Program:
    words = ("--device", str(device.place), "--numbers", "2", "--stream", "s")
    folder, said = device.place.parent, "listening"
    return Program("serial_gateway.py", *words, folder=folder, url=url, said=said)


async def test_readings_reach_the_model_once_and_noise_does_not(
    device: Device, tmp_path: Path
) -> None:
    async with server_on(tmp_path / "data") as server, client_of(server) as client:
        async with gateway(device, server.url) as running:
            device.say("7; 70.0\r\n")  # half a line, for all the gateway knows
            device.measure(range(200))
            device.say("hello, I am a meter\r\n1\r\n1;2;3\r\nnan;1\r\n\xff\xff\r\n\r\n")
            device.measure(range(200, 300))
            await learned(client, 300)
            assert await running.stop() == 0
        assert running.log.count("left out") == 6
    assert await in_the_journal(tmp_path / "data") == list(range(300))


async def test_what_is_read_while_the_server_is_away_comes_later(
    device: Device, tmp_path: Path
) -> None:
    port = free_port()
    async with gateway(device, f"http://127.0.0.1:{port}") as running:
        device.say("\n")
        device.measure(range(100))
        spool = tmp_path / "spool"
        size = 100 * 16  # of two numbers each
        await wait_until(lambda: _size(spool) > size)
        await running.kill()
    async with server_on(tmp_path / "data", port=port) as server:
        async with gateway(device, server.url), client_of(server) as client:
            await learned(client, 100)
    assert await in_the_journal(tmp_path / "data") == list(range(100))


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


async def test_a_line_that_was_unplugged_is_opened_again(
    device: Device, tmp_path: Path
) -> None:
    async with server_on(tmp_path / "data") as server, client_of(server) as client:
        async with gateway(device, server.url) as running:
            device.say("\n")
            device.measure(range(10))
            await learned(client, 10)
            device.unplug()
            await wait_until(lambda: "trying again" in running.log)
            device.plug_in()
            await running.says("listening")
            device.say("9; 9\n")
            device.measure(range(10, 20))
            await learned(client, 20)
    assert await in_the_journal(tmp_path / "data") == list(range(20))
