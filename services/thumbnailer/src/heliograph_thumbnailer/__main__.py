"""``python -m heliograph_thumbnailer`` runs the service."""

from heliograph_common.runtime.lifecycle import run
from heliograph_thumbnailer.bootstrap import NAME, build
from heliograph_thumbnailer.settings import ThumbnailerSettings

if __name__ == "__main__":
    run(NAME, ThumbnailerSettings, build)
