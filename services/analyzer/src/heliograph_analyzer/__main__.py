"""``python -m heliograph_analyzer`` runs the service."""

from heliograph_analyzer.bootstrap import NAME, build
from heliograph_analyzer.settings import AnalyzerSettings
from heliograph_common.runtime.lifecycle import run

if __name__ == "__main__":
    run(NAME, AnalyzerSettings, build)
