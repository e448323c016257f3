"""``python -m heliograph_gateway`` runs the service."""

from heliograph_common.runtime.lifecycle import run
from heliograph_gateway.bootstrap import NAME, build
from heliograph_gateway.compat import waiting
from heliograph_gateway.settings import GatewaySettings

if __name__ == "__main__":
    run(NAME, GatewaySettings, build, waiting.servers)
