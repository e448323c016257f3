"""One engine in a process of its own, asked over its standard input: all of them get equal bytes and time themselves.

Runs in ``.venv`` (ours) and in ``.venv-bench`` (peers), so nothing but the standard library is imported before the engine
is known. A frame is two lengths (big-endian, 4 bytes each), a JSON header and a body.
"""

from __future__ import annotations

import gc
import importlib
import json
import struct
import sys
import time
from typing import IO, Any

_LENGTHS = struct.Struct(">II")


def send(stream: IO[bytes], header: dict[str, Any], body: bytes = b"") -> None:
    """Writes one frame."""
    text = json.dumps(header).encode()
    stream.write(_LENGTHS.pack(len(text), len(body)) + text)
    stream.write(body)
    stream.flush()


def receive(stream: IO[bytes]) -> tuple[dict[str, Any], bytes]:
    """Reads one frame. Raises ``EOFError`` at the end of the stream."""
    lengths = stream.read(_LENGTHS.size)
    if len(lengths) < _LENGTHS.size:
        raise EOFError("the other side is gone")
    text, body = _LENGTHS.unpack(lengths)
    return json.loads(stream.read(text)), stream.read(body)


def main(module: str, function: str) -> None:
    """Serves until the input ends: ``load`` a picture, ``run`` the engine on it, give the ``results`` of the last run."""
    engine = getattr(importlib.import_module(module), function)
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    data, results = b"", list[bytes]()
    send(sink, {"ready": True})
    while True:
        try:
            header, body = receive(source)
        except EOFError:
            return
        if header["do"] == "load":
            data = body
            send(sink, {})
        elif header["do"] == "run":
            gc.collect()
            wall, cpu = time.perf_counter(), time.process_time()
            for _ in range(header["times"]):
                results = engine(data, header["wanted"])
            send(sink, {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall})
        else:
            send(sink, {"lengths": [len(one) for one in results]}, b"".join(results))


if __name__ == "__main__":
    main(*sys.argv[1:])
