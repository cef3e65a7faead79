"""HTTP connections on which nobody may dawdle: the head of a request comes in time, or the connection ends."""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from ratescape.explorer.guard import PATIENCE


class Impatient(H11Protocol):
    """uvicorn's protocol with a limit of time for what comes before the body of a request.

    uvicorn has one for idle connections alone: a client that sends a letter a second would be waited for without end.
    """

    patience = PATIENCE
    """Seconds."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._limit: asyncio.TimerHandle | None = None
        self._wait()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop()

    def _wait(self) -> None:
        """Begin to count where the head of a request is not there, and end where it is."""
        if self.conn.their_state is not h11.IDLE:
            self._stop()
        elif self._limit is None:
            self._limit = self.loop.call_later(self.patience, self.transport.close)

    def _stop(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None
