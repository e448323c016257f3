"""``python -m heliograph_client`` is ``heliograph``."""

from heliograph_client.cli.main import main

main()
