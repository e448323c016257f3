"""The messages between pool, zygote and render child: MessagePack in packets of a Unix socket, bulk data by descriptor.

Nothing that a child sends is trusted: it is decoded against these types, its bulk is copied out of the descriptor with
bounds, and no object of Python is ever unpickled.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import replace

import msgspec

from heliograph_common.ingest.headers import Header
from heliograph_thumbnailer.imaging.model import RenderEvent, RenderJob, Rendition, ThumbnailsDone, VariantsDone

PACKET = 128 * 1024
MAX_OUTPUT = 256 << 20
"""Bytes of all renditions of one event; a child that claims more is at fault."""


class Work(msgspec.Struct, tag="work"):
    """To the child: a job and its seconds of CPU; the original is the descriptor sent along. It measures it first."""

    job: RenderJob
    cpu_seconds: int


class Begin(msgspec.Struct, tag="begin"):
    """To the child that has measured: render it within ``memory`` bytes."""

    memory: int


class Drop(msgspec.Struct, tag="drop"):
    """To the child that has measured: the picture is refused, wait for another."""


class Ready(msgspec.Struct, tag="ready"):
    """From the child: it is confined and waits; ``refused`` is what the kernel did not grant."""

    refused: str


class Measured(msgspec.Struct, tag="measured"):
    """From the child: what the picture's header says, for its memory to be predicted; it waits for ``Begin``."""

    header: Header


class Done(msgspec.Struct, tag="done"):
    """From the child: an event without its bytes; they lie one after the other, ``sizes``, in the descriptor."""

    thumbnails: ThumbnailsDone | None
    variants: VariantsDone | None
    sizes: list[int]


class Refused(msgspec.Struct, tag="refused"):
    """From the child: the picture cannot be rendered; ``kind`` names an error class of ours."""

    kind: str
    message: str


class Fork(msgspec.Struct, tag="fork"):
    """To the zygote: make a child that serves the channel sent along."""


class Forked(msgspec.Struct, tag="forked"):
    """From the zygote: a child was made; its pidfd is sent along."""

    pid: int


class NotForked(msgspec.Struct, tag="not_forked"):
    """From the zygote: the machine did not grant a child."""

    reason: str


class Exited(msgspec.Struct, tag="exited"):
    """From the zygote: a child ended with this status of wait(2)."""

    pid: int
    status: int


FromChild = Ready | Measured | Done | Refused
FromZygote = Forked | NotForked | Exited

_encoder = msgspec.msgpack.Encoder()
decode_work = msgspec.msgpack.Decoder(Work).decode
decode_order = msgspec.msgpack.Decoder[Begin | Drop](Begin | Drop).decode
decode_child = msgspec.msgpack.Decoder[FromChild](FromChild).decode
decode_zygote = msgspec.msgpack.Decoder[FromZygote](FromZygote).decode


def send(channel: socket.socket, message: msgspec.Struct, descriptors: Sequence[int] = ()) -> None:
    """One packet; ``descriptors`` are duplicated into the other process."""
    socket.send_fds(channel, [_encoder.encode(message)], list(descriptors))


def receive(channel: socket.socket) -> tuple[bytes, list[int]]:
    """The next packet and its descriptors; an empty packet is the end of the channel."""
    try:
        packet, descriptors, _, _ = socket.recv_fds(channel, PACKET, 4, socket.MSG_CMSG_CLOEXEC)
    except ConnectionError:
        return b"", []
    return packet, descriptors


def memory_file(parts: Sequence[bytes | memoryview]) -> int:
    """A descriptor of an anonymous file that holds ``parts`` one after the other."""
    descriptor = os.memfd_create("heliograph", os.MFD_CLOEXEC)
    try:
        for part in parts:
            view = memoryview(part)
            while view:
                view = view[os.write(descriptor, view) :]
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def pack(event: RenderEvent) -> tuple[Done, list[bytes]]:
    """``event`` as a message, and the bytes of its renditions."""
    parts = [rendition.data for rendition in event.renditions]
    bare = replace(event, renditions=[replace(rendition, data=b"") for rendition in event.renditions])
    sizes = [len(part) for part in parts]
    if isinstance(bare, ThumbnailsDone):
        return Done(bare, None, sizes), parts
    return Done(None, bare, sizes), parts


def unpack(done: Done, descriptor: int) -> RenderEvent:
    """The event with its bytes read from ``descriptor``; ``ValueError`` where the two do not match."""
    event = done.thumbnails or done.variants
    if event is None or len(done.sizes) != len(event.renditions):
        raise ValueError("an event without its renditions")
    if min(done.sizes, default=0) < 0 or sum(done.sizes) > MAX_OUTPUT:
        raise ValueError("renditions of impossible size")
    offset = 0
    filled: list[Rendition] = []
    for size, rendition in zip(done.sizes, event.renditions, strict=True):
        data = os.pread(descriptor, size, offset)
        if len(data) != size:
            raise ValueError("renditions cut off")
        filled.append(replace(rendition, data=data))
        offset += size
    return replace(event, renditions=filled)
