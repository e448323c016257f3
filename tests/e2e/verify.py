"""``python -m tests.e2e.verify``: the upload steps as a client in the cluster, against what is installed there already.
`skaffold verify` runs it (k8s/verify.yaml); ``tests.e2e`` itself builds, installs and removes."""

from __future__ import annotations

import asyncio
import os
import sys

from tests.e2e.client import Site, token_for
from tests.e2e.shell import Failed
from tests.e2e.uploads import upload_pictures


def main() -> int:
    """0 when all pictures came through. Reads API, EVENTS and AUTH_SECRET from the environment."""
    site = Site(os.environ["API"], os.environ["EVENTS"], token_for(os.environ["AUTH_SECRET"], "verify"))
    try:
        print(asyncio.run(upload_pictures(site)))  # noqa: T201
    except Failed as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
