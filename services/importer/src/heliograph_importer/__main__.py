"""``python -m heliograph_importer`` runs the service."""

from heliograph_common.runtime.lifecycle import run
from heliograph_importer.bootstrap import NAME, build
from heliograph_importer.settings import ImporterSettings

if __name__ == "__main__":
    run(NAME, ImporterSettings, build)
