"""``python -m heliograph_operator`` runs the service."""

from heliograph_common.runtime.lifecycle import run
from heliograph_operator.bootstrap import NAME, build
from heliograph_operator.settings import OperatorSettings

if __name__ == "__main__":
    run(NAME, OperatorSettings, build)
