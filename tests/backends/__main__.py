"""``python -m tests.backends``: makes this machine ready for tests on containers, and exits with 0 where it can run them.

Starts the Docker engine of the lab beside the checkout and builds its images, where the lab itself is built; pulls images
that are missing.
"""

from __future__ import annotations

import sys

from tests.backends import engine
from tests.e2e.cluster import LAB, lab_is_built
from tests.e2e.shell import run


def main() -> int:
    if lab_is_built():
        run(LAB, "stack-images", "postgres", "nats", "seaweedfs", seconds=1800)  # starts the engine as well
    try:
        with engine.connected() as client:
            images = ", ".join(engine.image(client, server) for server in engine.SERVERS)
    except engine.Unavailable as error:
        print(f"containers: not on this machine: {error}")  # noqa: T201
        return 1
    print(f"containers: {images}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
