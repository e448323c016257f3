"""``python -m heliograph_gateway``."""

from heliograph_common.runtime.lifecycle import run
from heliograph_gateway.bootstrap import build
from heliograph_gateway.settings import GatewaySettings

if __name__ == "__main__":
    run("gateway", GatewaySettings(), build)
