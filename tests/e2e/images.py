"""The images of tests/e2e: of this tree, and of the commit that held the chart's previous version."""

from __future__ import annotations

import re
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scripts.chart_values import components
from tests.e2e.cluster import Cluster
from tests.e2e.shell import ROOT, run

SERVICES = tuple(component.name for component in components())
CLIENT = "heliograph/e2e"
"""The image of this folder, which has the doubles of providers too."""
CHART = "charts/heliograph"


@dataclass(frozen=True)
class Release:
    """A chart and the tag of its images."""

    chart: Path
    stack: Path
    values: Path
    version: str
    tag: str

    @property
    def imports(self) -> bool:
        """Whether it has importers."""
        return self._has("importer")

    @property
    def analyses(self) -> bool:
        """Whether it has analyzers."""
        return self._has("analyzer")

    @property
    def words(self) -> bool:
        """Whether its importers search for images of words."""
        return self.imports and "unsplash" in (self.chart / "components/importer.yaml").read_text(encoding="utf-8")

    def _has(self, component: str) -> bool:
        return (self.chart / f"components/{component}.yaml").exists()


def version_in(text: str) -> str:
    """The version in a Chart.yaml."""
    found = re.search(r"^version: (\S+)$", text, re.MULTILINE)
    return found[1] if found else ""


def build(cluster: Cluster, source: Path, tag: str) -> None:
    """Builds the images of the services from ``source`` and brings them to the cluster."""
    files = {f"heliograph/{file.parent.name}:{tag}": file for file in sorted(source.glob("services/*/Dockerfile"))}
    _build(cluster, source, files)


def build_client(cluster: Cluster, tag: str) -> None:
    """Builds the image of this folder and brings it to the cluster."""
    _build(cluster, ROOT, {f"{CLIENT}:{tag}": ROOT / "tests/e2e/Dockerfile"})


def _build(cluster: Cluster, source: Path, files: Mapping[str, Path]) -> None:
    base = ("--build-arg", f"BASE_IMAGE={cluster.base_image}") if cluster.base_image else ()
    network = ("--network=host",) if cluster.lab else ()
    for image, file in files.items():
        run(
            "nice", "docker", "build", "--quiet", *network, *base, "-f", file, "-t", image, source,
            environment={"DOCKER_BUILDKIT": "0"} if cluster.lab else {},
            seconds=1800,
        )  # fmt: skip
    cluster.load(*files)


def size(service: str, tag: str) -> str:
    """An image's size, and what of it is not the base image's."""
    total = int(run("docker", "image", "inspect", "--format", "{{.Size}}", f"heliograph/{service}:{tag}"))
    return f"{total / 1e6:.0f} MB"


def current() -> Release:
    """This tree."""
    version = version_in((ROOT / CHART / "Chart.yaml").read_text(encoding="utf-8"))
    return Release(ROOT / CHART, ROOT / "charts/heliograph-stack", ROOT / "k8s/trial.yaml", version, "e2e-current")


def previous_commit() -> str:
    """The newest commit whose chart has another version than this tree's; empty where there is none."""
    if not (ROOT / ".git").exists():
        return ""
    chart = f"{CHART}/Chart.yaml"
    for commit in run("git", "log", "--format=%H", "--", chart, check=False).split():
        if version_in(run("git", "show", f"{commit}:{chart}", check=False)) not in {"", current().version}:
            return commit
    return ""


@contextmanager
def previous(commit: str) -> Iterator[tuple[Release, Path]]:
    """The release of a commit, and its whole source in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="heliograph-previous-") as name:
        folder = Path(name)
        run("git", "archive", "-o", folder / "source.tar", commit)
        with tarfile.open(folder / "source.tar") as archive:
            archive.extractall(folder, filter="data")
        version = version_in((folder / CHART / "Chart.yaml").read_text(encoding="utf-8"))
        values = folder / "k8s/trial.yaml"
        yield Release(folder / CHART, folder / "charts/heliograph-stack", values, version, "e2e-previous"), folder
