"""From a request body to accepted images: raw, or multipart with several files, each for itself.

A file goes straight into ingest's spool, its cap enforced while
it is read; one bad file costs the others nothing. What is accepted, and how it is stored, is ``heliograph_common.ingest``'s.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from difflib import get_close_matches

from starlette.requests import ClientDisconnect

from heliograph_common.contracts.subjects import Priority
from heliograph_common.errors import HeliographError
from heliograph_common.http.problems import Problem
from heliograph_common.ingest.accept import Accepted, Ingest, safe_name
from heliograph_common.ingest.analysis import Wanted, wanted
from heliograph_common.ingest.spool import Spool, Spooled, limits_of, spool
from heliograph_common.settings import LimitSettings
from heliograph_gateway.http.multipart import MultipartReader, Part
from heliograph_gateway.http.problems import (
    BODY_TOO_LARGE,
    INVALID_PARAMETER,
    MISSING_FILE,
    TOO_MANY_FILES,
    UNKNOWN_PART,
    problem_of,
)
from heliograph_gateway.uploads.options import SOURCE, UploadOptions, priority_of, profile_of

FILE_PART = "file"
PRIORITY_PART = "priority"
ANALYZE_PART = "analyze"
NAME_PART = "name"
FIELDS = (PRIORITY_PART, ANALYZE_PART, NAME_PART)

_PART_OVERHEAD = 16 * 1024
_FIELD_BYTES = 1024


@dataclass(frozen=True)
class Outcome:
    """What became of one file (or of a part that is none): ``name`` is empty where it has none."""

    name: str
    result: Accepted | Problem


@dataclass(frozen=True)
class Received:
    """A picture that came whole and was not taken in yet, and the fields of its form."""

    spooled: Spooled
    name: str
    fields: Mapping[str, str]


class FormUploads:
    """Takes files in for owners, within ``limits``. ``profiles``: the analyses that may be asked for."""

    def __init__(self, ingest: Ingest, limits: LimitSettings, profiles: Sequence[str] = ()) -> None:
        self._ingest = ingest
        self.limits = limits
        self.profiles = profiles

    def body_cap(self, *, multipart: bool) -> int:
        """The most bytes that a request body may have."""
        if not multipart:
            return self.limits.file_bytes
        return self.limits.files_per_request * (self.limits.file_bytes + _PART_OVERHEAD) + _PART_OVERHEAD

    def check_length(self, length: int, *, multipart: bool) -> None:
        """Refuses a body by its Content-Length, before any of it is read.

        Raises:
            Problem: it is over the cap.
        """
        if length > (cap := self.body_cap(multipart=multipart)):
            raise self._too_large(cap, multipart=multipart)

    async def raw(self, body: AsyncIterator[bytes], owner: str, options: UploadOptions) -> Accepted:
        """Takes in a body that is one picture.

        Raises:
            HeliographError: it is refused, or a server is away.
        """
        async with spool(body, limits_of(self.limits)) as spooled:
            return await _accept(self._ingest, spooled, owner, options.name, options)

    async def multipart(
        self, body: AsyncIterator[bytes], boundary: bytes, owner: str, options: UploadOptions
    ) -> list[Outcome]:
        """Takes in all files of a multipart body. Never raises for what a file or the body is; that is an outcome."""
        reader = MultipartReader(self._capped(body), boundary)
        batch = _Batch(self._ingest, self.limits, self.profiles, owner, options)
        await batch.take(reader.parts())
        return batch.outcomes

    async def one(self, body: AsyncIterator[bytes], boundary: bytes, owner: str, *, names: Collection[str]) -> Accepted:
        """Takes in a multipart body whose one picture is a part with one of ``names``; other parts are passed over.

        Raises:
            Problem, HeliographError: the body or the picture is refused, or a server is away. The picture is taken in
                all the same where it came whole and what is refused comes after it.
        """
        accepted = None
        async for part in MultipartReader(self._capped(body), boundary).parts():
            if part.name not in names:
                continue
            if accepted is not None:
                raise Problem(TOO_MANY_FILES, "This route accepts one image per request. The first image was accepted.")
            accepted = await self.raw(part.chunks, owner, UploadOptions(name=part.filename or ""))
        if accepted is None:
            raise Problem(MISSING_FILE, f"No part is named {' or '.join(f'`{name}`' for name in names)}.")
        return accepted

    @asynccontextmanager
    async def received(
        self,
        body: AsyncIterator[bytes],
        boundary: bytes | None,
        *,
        names: Collection[str] = (FILE_PART,),
        fields: Collection[str] = (),
        others: bool = False,
    ) -> AsyncIterator[Received]:
        """Reads a body to its end: one picture or, with a ``boundary``, a form with one, in a part that has one of
        ``names``. ``others``: parts that are neither it nor one of the ``fields`` are passed over. ``take`` takes the
        picture in; without that nothing of it stays.

        Raises:
            Problem, HeliographError: the body or the picture is refused.
        """
        if boundary is None:
            async with spool(body, limits_of(self.limits)) as spooled:
                yield Received(spooled, "", {})
            return
        spooled_or_none: Spooled | None = None
        name, values = "", dict[str, str]()
        with Spool(limits_of(self.limits)) as receiving:
            async for part in MultipartReader(self._capped(body), boundary).parts():
                if part.name in names:
                    if spooled_or_none is not None:
                        raise Problem(TOO_MANY_FILES, "This route accepts one image per request.")
                    async for chunk in part.chunks:
                        receiving.write(chunk)
                    spooled_or_none, name = await receiving.finish(), part.filename or ""
                elif part.name in fields:
                    values[part.name] = await _text(part)
                elif not others:
                    raise _unknown(part.name, (*names, *fields))
            if spooled_or_none is None:
                named = " or ".join(f"`{each}`" for each in names)
                remedy = {"remedy": f"Send one image as a part named {named}."}
                raise Problem(MISSING_FILE, f"No part is named {named}.", extra=remedy)
            yield Received(spooled_or_none, name, values)

    async def take(self, received: Received, owner: str, analyze: Wanted) -> Accepted:
        """Takes a received picture in, of which somebody wants to know something.

        Raises:
            HeliographError: a server is away.
        """
        return await self._ingest.accept(
            received.spooled,
            owner=owner,
            name=received.name,
            source=SOURCE,
            priority=Priority.HIGH if analyze.urgent else Priority.NORMAL,
            analyze=analyze,
        )

    async def _capped(self, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        cap = self.body_cap(multipart=True)
        size = 0
        async for chunk in body:
            size += len(chunk)
            if size > cap:
                raise self._too_large(cap, multipart=True)
            yield chunk

    def _too_large(self, cap: int, *, multipart: bool) -> Problem:
        if multipart:
            detail = f"Limit exceeded: {self.limits.files_per_request} files of {self.limits.file_bytes:,} bytes each."
        else:
            detail = f"The body exceeds the limit of {cap:,} bytes."
        return Problem(BODY_TOO_LARGE, detail, extra={"limit_bytes": cap})


class _Batch:
    """The parts of one request, in their order. A field counts for the file right before it and for all after it; ``name``
    is for the only file."""

    def __init__(
        self, ingest: Ingest, limits: LimitSettings, profiles: Sequence[str], owner: str, options: UploadOptions
    ) -> None:
        self.outcomes: list[Outcome] = []
        self._ingest = ingest
        self._limits = limits
        self._profiles = profiles
        self._owner = owner
        self._options = options
        self._files = 0

    async def take(self, parts: AsyncGenerator[Part, None]) -> None:
        """Reads all parts, or as many as can be read."""
        try:
            part = await self._next_file(parts)
            while part is not None:
                part = await self._file(part, parts)
        except Problem as problem:
            self._refuse("", problem)
        if not self.outcomes:
            self._refuse("", Problem(MISSING_FILE, f"No part is named `{FILE_PART}`."))

    async def _file(self, part: Part, parts: AsyncGenerator[Part, None]) -> Part | None:
        """Takes in one file; returns the next."""
        name = safe_name(part.filename or "")
        with Spool(limits_of(self._limits)) as receiving:
            try:
                async for chunk in part.chunks:
                    receiving.write(chunk)
                spooled = await receiving.finish()
            except HeliographError as error:
                self._refuse(name, problem_of(error))
                return await self._next_file(parts)
            except Problem as problem:  # the body ended or broke within this file
                self._refuse(name, problem)
                return None
            try:
                following = await self._next_file(parts)
            except (Problem, ClientDisconnect):
                await self._accept(spooled, name)  # this file came whole, whatever happened after it
                raise
            await self._accept(spooled, name)
            return following

    async def _accept(self, spooled: Spooled, name: str) -> None:
        try:
            accepted = await _accept(self._ingest, spooled, self._owner, self._options.name or name, self._options)
        except HeliographError as error:
            self._refuse(name, problem_of(error))
        else:
            self.outcomes.append(Outcome(name, accepted))

    async def _next_file(self, parts: AsyncGenerator[Part, None]) -> Part | None:
        """The next part that is a file; applies the fields before it."""
        async for part in parts:
            if part.name == FILE_PART:
                self._files += 1
                if self._files > self._limits.files_per_request:
                    detail = (
                        f"Limit exceeded: {self._limits.files_per_request} files per request. The rest was not read."
                    )
                    raise Problem(TOO_MANY_FILES, detail)
                self._check_name()
                return part
            if part.name in FIELDS:
                await self._field(part)
            else:
                self._refuse(safe_name(part.filename or part.name), _unknown(part.name))
        return None

    async def _field(self, part: Part) -> None:
        value = await _text(part)
        if part.name == PRIORITY_PART:
            self._options = replace(self._options, priority=priority_of(value))
        elif part.name == ANALYZE_PART:
            self._options = replace(self._options, profile=profile_of(value, self._profiles))
        else:
            self._options = replace(self._options, name=value)
            self._check_name()

    def _check_name(self) -> None:
        if self._options.name and self._files > 1:
            raise _invalid(NAME_PART, "Only supported with one file; with several, set the `filename` of each part")

    def _refuse(self, name: str, problem: Problem) -> None:
        self.outcomes.append(Outcome(name, problem))


async def _accept(ingest: Ingest, spooled: Spooled, owner: str, name: str, options: UploadOptions) -> Accepted:
    return await ingest.accept(
        spooled, owner=owner, name=name, source=SOURCE, priority=options.priority, analyze=wanted(options.profile)
    )


async def _text(part: Part) -> str:
    value = bytearray()
    async for chunk in part.chunks:
        value += chunk
        if len(value) > _FIELD_BYTES:
            raise _invalid(part.name, f"Must not exceed {_FIELD_BYTES} bytes")
    return value.decode("utf-8", "replace").strip()


def _invalid(field: str, detail: str) -> Problem:
    errors = [{"parameter": field, "detail": detail}]
    return Problem(INVALID_PARAMETER, f"`{field}`: {detail}", extra={"errors": errors})


def _unknown(name: str, known: Sequence[str] = (FILE_PART, *FIELDS)) -> Problem:
    near = get_close_matches(name.lower(), known, n=1)
    shown = safe_name(name)
    hint = f"Did you mean `{near[0]}`?" if near else f"Send images as parts named `{known[0]}`."
    return Problem(UNKNOWN_PART, f"The part `{shown}` is unknown. {hint}")
