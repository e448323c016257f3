"""The ``StreamScaler`` resources that there are, and what their specs say. A spec that does not parse is kept with its
error, so that its status can tell it. Not safe for threads; no I/O here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from heliograph_operator.model import ScalerSpec

Parse = Callable[[Mapping[str, Any]], ScalerSpec]
"""Reads the ``spec`` of an object; raises ``ValueError`` with what is wrong with it."""


@dataclass(frozen=True, kw_only=True)
class Scaler:
    """A ``StreamScaler``. ``spec`` is ``None`` where it does not parse, and ``error`` says why. ``status`` is the one
    that was seen last, which may be another operator's. ``created`` is when, as the API has it."""

    name: str
    uid: str
    generation: int
    spec: ScalerSpec | None
    error: str
    status: Mapping[str, Any]
    created: str = ""


class Store:
    """By name. ``clock`` tells seconds that never go back."""

    def __init__(self, parse: Parse, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._parse = parse
        self._clock = clock
        self._scalers: dict[str, Scaler] = {}
        self._touched: dict[str, float] = {}

    def scalers(self) -> Sequence[Scaler]:
        """All of them, by name."""
        return [self._scalers[name] for name in sorted(self._scalers)]

    def has(self, scaler: Scaler) -> bool:
        """Whether it is still there, if with another spec."""
        known = self._scalers.get(scaler.name)
        return known is not None and known.uid == scaler.uid

    def rival(self, scaler: Scaler) -> str | None:
        """The name of an older one that scales the same target; dry runs scale nothing."""
        if scaler.spec is None or scaler.spec.dry_run:
            return None
        older = [
            other
            for other in self._scalers.values()
            if other.spec is not None
            and not other.spec.dry_run
            and other.spec.target == scaler.spec.target
            and (other.created, other.name) < (scaler.created, scaler.name)
        ]
        return min(older, key=lambda other: (other.created, other.name)).name if older else None

    def put(self, found: Mapping[str, Any]) -> None:
        """An object as it is now. One that is being deleted is gone: nothing shall scale its target any more."""
        metadata = found["metadata"]
        name, uid = str(metadata["name"]), str(metadata["uid"])
        if metadata.get("deletionTimestamp"):
            self.remove(name, uid)
            return
        known = self._scalers.get(name)
        generation = int(metadata.get("generation", 1))
        if known is not None and known.uid == uid and generation < known.generation:
            return
        self._scalers[name] = self._read(name, uid, generation, found)
        self._touched[name] = self._clock()

    def remove(self, name: str, uid: str) -> None:
        """It is gone; one of the same name that was created since stays."""
        if (known := self._scalers.get(name)) is not None and known.uid == uid:
            del self._scalers[name]
            self._touched[name] = self._clock()

    def sync(self, listed: Iterable[Mapping[str, Any]], began: float) -> Sequence[str]:
        """Takes over a list that was asked for at ``began``, for a watch may miss a deletion while it is interrupted. What
        changed since ``began`` stays as it is. Returns the names about which the list knew better."""
        found = {str(item["metadata"]["name"]): item for item in listed}
        corrected = [
            name for name in found.keys() | self._scalers.keys() if self._differs(name, found.get(name), began)
        ]
        for name in corrected:
            if name in found:
                self.put(found[name])
            else:
                del self._scalers[name]
        self._touched = {name: at for name, at in self._touched.items() if name in self._scalers or at >= began}
        return sorted(corrected)

    def _differs(self, name: str, found: Mapping[str, Any] | None, began: float) -> bool:
        if self._touched.get(name, began - 1) >= began:
            return False
        known = self._scalers.get(name)
        if known is None or found is None:
            return known is not None or not (found or {})["metadata"].get("deletionTimestamp")
        metadata = found["metadata"]
        deleted = bool(metadata.get("deletionTimestamp"))
        return deleted or metadata["uid"] != known.uid or int(metadata.get("generation", 1)) > known.generation

    def _read(self, name: str, uid: str, generation: int, found: Mapping[str, Any]) -> Scaler:
        spec, error = None, ""
        try:
            spec = self._parse(found.get("spec") or {})
        except ValueError as wrong:
            error = str(wrong)
        status = found.get("status") or {}
        created = str(found["metadata"].get("creationTimestamp") or "")
        return Scaler(name=name, uid=uid, generation=generation, spec=spec, error=error, status=status, created=created)
