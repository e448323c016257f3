"""A proxy at a standstill answers nothing and ends nothing; afterwards all that was held back comes, in order."""

from __future__ import annotations

import asyncio

import pytest

from heliograph_local.testing.proxy import TcpProxy


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.close()


async def test_a_standstill_holds_back_and_ends_nothing() -> None:
    async with await asyncio.start_server(_echo, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with TcpProxy(lambda: port) as proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.write(b"before")
            assert await reader.readexactly(6) == b"before"
            proxy.pause()
            writer.write(b"meanwhile")
            late_reader, late_writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            late_writer.write(b"late")
            for silent in (reader, late_reader):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.3):
                        await silent.read(1)
            proxy.resume()
            assert await reader.readexactly(9) == b"meanwhile"
            assert await late_reader.readexactly(4) == b"late"
            writer.close()
            late_writer.close()


async def test_the_end_of_a_server_ends_its_connections() -> None:
    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with TcpProxy(lambda: port) as proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            async with asyncio.timeout(10):
                assert await reader.read() == b""
            writer.close()
