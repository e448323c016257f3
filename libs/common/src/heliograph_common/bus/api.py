"""Requests to the JetStream API: their errors become ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nats.errors import Error as NatsError
from nats.js.errors import APIError

from heliograph_common.bus.connection import Bus
from heliograph_common.errors import BusUnavailable

_NO_MESSAGE_FOUND = 10037


@contextmanager
def answered(bus: Bus, what: str) -> Iterator[None]:
    """Around requests about ``what``.

    Raises:
        BusUnavailable: NATS is away, does not answer, or refuses; a stream or consumer that does not exist included.
    """
    if not bus.connected:
        raise BusUnavailable("NATS is not connected")
    try:
        yield
    except APIError as error:
        raise BusUnavailable(
            f"{what}: {error.description}; run heliograph_common.provision if it is missing"
        ) from error
    except (TimeoutError, NatsError) as error:
        raise BusUnavailable(f"{what}: {error!r}") from error


def is_no_message(error: APIError) -> bool:
    """Whether the server looked and found no such message; a stream that does not exist is a 404 too."""
    return error.err_code == _NO_MESSAGE_FOUND
