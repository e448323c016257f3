"""``python -m heliograph_local.doubles --port 9999``: serves all doubles, until it is told to end."""

from __future__ import annotations

import argparse
from pathlib import Path

import uvicorn

from heliograph_local.doubles.addresses import check_installed


def main() -> None:
    """Serves until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m heliograph_local.doubles", description="Serve the test doubles.")
    parser.add_argument("--host", default="127.0.0.1", help="listen address (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, required=True, help="listen port")
    parser.add_argument("--pictures", type=Path, help="folder to serve as a folder of Google Drive, too")
    parser.add_argument("--calls", type=Path, help="file to append calls to the model to, as lines of JSON")
    parser.add_argument("--photo-calls", type=Path, help="file to append requests to Unsplash to, as lines of JSON")
    arguments = parser.parse_args()
    check_installed()
    from heliograph_local.doubles.together import Doubles  # noqa: PLC0415 - after the check

    doubles = Doubles(arguments.pictures, arguments.calls, arguments.photo_calls)
    uvicorn.run(doubles.app, host=arguments.host, port=arguments.port, log_level="warning", lifespan="off")


if __name__ == "__main__":
    main()
