"""The TCP connections of clients, so that one can be reset."""

import socket
import struct
from typing import Any

from hypercorn.asyncio import tcp_server

from roslin_emulator.workarounds import replace

# On, with no time to send what is left: closing the socket sends a reset.
LINGER_NOT = struct.pack("ii", 1, 0)

Address = tuple[str, int]


class Connections:
    def __init__(self) -> None:
        self._transports: dict[Address, Any] = {}

    def install(self) -> None:
        """Hypercorn shows an application the address of its client, not the connection."""

        def make(original: Any) -> Any:
            async def run(server: Any) -> None:
                transport = server.writer.transport
                address = tuple(transport.get_extra_info("peername") or ())[:2]
                self._transports[address] = transport
                try:
                    await original(server)
                finally:
                    if self._transports.get(address) is transport:
                        del self._transports[address]

            return run

        replace(tcp_server.TCPServer, "run", make)

    def reset(self, client: Address) -> None:
        transport = self._transports.get(tuple(client)[:2])
        if transport is None:
            return
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
        transport.abort()
