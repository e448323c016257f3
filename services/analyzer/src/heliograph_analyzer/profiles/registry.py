"""The profiles that there are: a module of this package is one, without being named anywhere."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable, Mapping
from importlib import import_module
from types import MappingProxyType

from heliograph_analyzer import profiles
from heliograph_analyzer.profiles.port import Profile

_NOT_PROFILES = frozenset({"port", "registry", "strict", "texts"})


def found(package: str = profiles.__name__, path: Iterable[str] = profiles.__path__) -> Mapping[str, Profile]:
    """The profiles of a package by name, in their order.

    Raises:
        TypeError: a module has no ``PROFILE``.
        ValueError: the name of a profile is not that of its file, in which ``_`` may stand for ``-``.
    """
    profiles_found: dict[str, Profile] = {}
    for module in sorted(each.name for each in pkgutil.iter_modules(path) if each.name not in _NOT_PROFILES):
        profile = getattr(import_module(f"{package}.{module}"), "PROFILE", None)
        if not isinstance(profile, Profile):
            raise TypeError(f"{package}.{module} has no PROFILE: end it with PROFILE = Profile(...)")
        if profile.name.replace("-", "_") != module:
            raise ValueError(f"profile {profile.name!r} is in {module}.py: rename one of them")
        profiles_found[profile.name] = profile
    return MappingProxyType(profiles_found)


PROFILES = found()
"""All profiles of this analyzer by name."""
