"""What of a picture is still to be rendered, and where each rendition goes. Pure: which incarnation of a key is to be used
is for ``store`` to find out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from heliograph_common.blobs import keys
from heliograph_thumbnailer.imaging.model import PIPELINE_VERSION
from heliograph_thumbnailer.imaging.sizes import RenditionSpec

_EXTENSIONS = {"jpeg": "jpg", "webp": "webp"}


@dataclass(frozen=True)
class Plan:
    """The renditions that are missing, and the object key of every wanted one by its name."""

    thumbnails: tuple[RenditionSpec, ...]
    variants: tuple[RenditionSpec, ...]
    keys: Mapping[str, str]

    @property
    def empty(self) -> bool:
        """Nothing is missing."""
        return not self.thumbnails and not self.variants


def plan(wanted: Mapping[RenditionSpec, str], existing: Mapping[str, str]) -> Plan:
    """Compares what is wanted, each with its key, with the keys of what exists (by name): another size, fit, format or
    quality under the same name, or another version of the pipeline, has another key and is rendered again; so is what lies
    under a key that was given up."""
    specs = tuple(wanted)
    wanted_keys = {spec.name: key for spec, key in wanted.items()}
    missing = [spec for spec in specs if existing.get(spec.name) != wanted_keys[spec.name]]
    return Plan(
        thumbnails=tuple(spec for spec in missing if spec.kind == "thumbnail"),
        variants=tuple(spec for spec in missing if spec.kind == "variant"),
        keys=wanted_keys,
    )


def rendition_key(sha256: str, spec: RenditionSpec) -> str:
    """The object key of one rendition in its first incarnation; equal keys hold equal bytes, so a second run changes
    nothing."""
    described = f"{spec.width}x{spec.height} {spec.fit} {spec.format} {spec.quality} {spec.upscale}"
    digest = hashlib.sha256(described.encode()).hexdigest()[:8]
    return keys.rendition(sha256, str(PIPELINE_VERSION), f"{spec.name}-{digest}.{_EXTENSIONS[spec.format]}")
