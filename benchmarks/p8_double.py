"""``python -m benchmarks.p8_double PORT FILES``: the double of Google Drive with one large folder, for P8."""

from __future__ import annotations

import sys

import uvicorn

from heliograph_local.doubles.google_drive import ANYONE, DriveDouble

FOLDER_ID = "1HeliographBenchmarkFolder0000000"


def main(port: int, files: int) -> None:
    """Serves until it is told to end."""
    double = DriveDouble()
    double.tree.pictures(files, double.tree.folder("Benchmark", id=FOLDER_ID, shared=ANYONE), 640, 480)
    uvicorn.run(double.app, host="127.0.0.1", port=port, log_level="warning", lifespan="off", access_log=False)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
