"""``python -m heliograph_notifier`` runs the service."""

from heliograph_common.runtime.lifecycle import run
from heliograph_notifier.bootstrap import NAME, build
from heliograph_notifier.settings import NotifierSettings

if __name__ == "__main__":
    run(NAME, NotifierSettings, build)
