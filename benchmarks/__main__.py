"""``python -m benchmarks [P1,P2,…]``: runs the named benchmarks, or all of them, one after the other."""

from __future__ import annotations

import importlib
import sys

BENCHMARKS = {
    "P1": "p1_render",
    "P2": "p2_pipeline",
    "P4": "p4_upload",
    "P6": "p6_operator",
    "P7": "p7_growth",
    "P8": "p8_import",
    "P9": "p9_cold_start",
}


def main(arguments: list[str]) -> int:
    """Returns the exit code: 2 for a name that is none. A missed aim is a figure, not a failure."""
    names = [name.upper() for argument in arguments for name in argument.split(",") if name] or list(BENCHMARKS)
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    for name in names:
        importlib.import_module(f"benchmarks.{BENCHMARKS[name]}").main()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
