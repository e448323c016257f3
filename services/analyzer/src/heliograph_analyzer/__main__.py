"""``python -m heliograph_analyzer`` runs the service."""

from heliograph_common.runtime.lifecycle import run
from heliograph_analyzer.bootstrap import NAME, build
from heliograph_analyzer.settings import AnalyzerSettings

if __name__ == "__main__":
    run(NAME, AnalyzerSettings, build)
