"""What a double is told to do wrong, and what it has been asked: the same for all doubles.

``PUT /_double/faults`` takes a JSON list of faults in place of those before; ``GET /_double/requests`` tells the requests
that were accepted, by the vendor's name of each call; ``GET /_double/violations`` those that the vendor would not have
accepted, and answers that the vendor would not have given. Tests in the same process use the object itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Kind = Literal[
    "rate_limited",
    "quota",
    "error",
    "slow",
    "cut_off",
    "repeated_page",
    "cursor_reset",
    "vanished",
    "wrong_size",
    "html",
    "refusal",
    "prose",
    "missing_key",
    "wrong_type",
    "too_long",
    "filtered",
    "empty",
    "wrong_remaining",
]


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """``kind`` is what goes wrong: ``rate_limited`` answers 429, with ``retry_after`` seconds if given; ``quota`` the
    vendor's own refusal by quota (Drive: 403; OpenAI: 429 ``insufficient_quota``); ``error`` answers ``status``; ``slow``
    waits ``seconds`` before the answer; ``cut_off`` ends a download after ``bytes`` (an answer in JSON at half of it, at the
    latest); ``repeated_page`` answers a page again; ``cursor_reset`` forgets cursors; ``vanished`` lists a file that cannot
    be had; ``wrong_size`` lies about its size; ``html`` answers a page of HTML with 200 (OpenAI: 502).

    Of a model: ``refusal`` declines to answer; ``prose`` ignores the schema that was asked for, ``missing_key`` leaves out
    a key of it, ``wrong_type`` gives one a value of another type; ``too_long`` ends in the middle, as at the limit of
    tokens; ``filtered`` ends by the content filter, ``empty`` with nothing said.

    Of Unsplash: ``empty`` finds nothing, ``wrong_type`` gives keys values of another type, ``wrong_remaining`` says that no
    request is left in the hour; ``html`` with a ``status`` other than 500 answers the page with that.

    It befalls calls of the vendor's name ``call`` (empty: any) whose request names ``about`` (a file, a folder, a
    cursor; empty: anything): ``times`` of them after the first ``after``; -1 is without an end."""

    kind: Kind
    call: str = ""
    about: str = ""
    times: int = 1
    after: int = 0
    status: int = 500
    retry_after: float | None = None
    seconds: float = 1.0
    bytes: int = 1000


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request that was accepted: the vendor's name of the call, and what it was about."""

    call: str
    about: str


class Behaviour:
    """The faults of one double, and the record of what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.violations: list[str] = []
        self._faults: list[Fault] = []
        self._met: Counter[int] = Counter()

    def misbehave(self, *faults: Fault) -> None:
        """Takes these faults in place of those before."""
        self._faults, self._met = list(faults), Counter()

    def fault(self, call: str, about: Sequence[str] = (), *, kinds: Sequence[Kind] = ()) -> Fault | None:
        """The fault that befalls a request, if any; it is used up with that. ``kinds``: only such."""
        for number, fault in enumerate(self._faults):
            if (kinds and fault.kind not in kinds) or fault.call not in {"", call}:
                continue
            if fault.about and not any(fault.about in each for each in about):
                continue
            self._met[number] += 1
            met = self._met[number] - fault.after
            if met > 0 and (fault.times < 0 or met <= fault.times):
                return fault
        return None

    def note(self, call: str, about: str = "") -> None:
        """Records an accepted request."""
        self.asked.append(Asked(call=call, about=about))

    def violation(self, what: str) -> None:
        """Records a request or an answer that does not match the vendor's schema."""
        self.violations.append(what)

    def routes(self) -> list[Route]:
        """The routes of the control."""
        return [
            Route("/_double/faults", self._put_faults, methods=["PUT"]),
            Route("/_double/requests", self._get_requests),
            Route("/_double/violations", self._get_violations),
        ]

    async def _put_faults(self, request: Request) -> Response:
        try:
            faults = msgspec.json.decode(await request.body(), type=list[Fault])
        except msgspec.MsgspecError as error:
            return JSONResponse({"error": str(error)}, 400)
        self.misbehave(*faults)
        return Response(status_code=204)

    async def _get_requests(self, _: Request) -> Response:
        return Response(msgspec.json.encode(self.asked), media_type="application/json")

    async def _get_violations(self, _: Request) -> Response:
        return Response(msgspec.json.encode(self.violations), media_type="application/json")
