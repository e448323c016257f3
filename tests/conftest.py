"""What tests of all kinds share: settings from the environment of a test's own world."""

from __future__ import annotations

import functools
import gc
import os
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import httpcore2
import hypothesis
import pytest
import structlog
from tests.workers import workers

from heliograph_common.setting_sources import OLDER_VARIABLES, PREFIX
from heliograph_common.settings import ServiceSettings

pytest_plugins = ["tests.backends.plugin", "tests.integration.operator.plugin"]

_PLAIN = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
_Settings = TypeVar("_Settings", bound=ServiceSettings)

# structlog's own default renders exceptions with all their locals, which takes a busy machine seconds a piece.
structlog.configure(processors=[*structlog.get_config()["processors"][:-1], _PLAIN])

# Each client and each part that sends requests would read all authorities of the machine, 50 ms of CPU a time.
httpcore2.default_ssl_context = functools.cache(httpcore2.default_ssl_context)

# How long an example takes says how busy the machine is. (Hypothesis does the same by itself where CI is set.)
hypothesis.settings.register_profile(
    "busy", hypothesis.settings(), deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("busy")

for _variable in OLDER_VARIABLES:  # a developer's own key, or level of logs, is none of the tests' business
    os.environ.pop(_variable, None)

PHOTOS = Path(__file__).parents[2] / "shared" / "photos"


def settings_from(environment: Mapping[str, str], kind: type[_Settings]) -> _Settings:
    """Settings of a service as it would read them from ``environment``."""
    values: dict[str, Any] = {}
    for variable, value in environment.items():
        if variable.startswith(PREFIX):
            group, _, field = variable.removeprefix(PREFIX).lower().partition("__")
            if field:
                values.setdefault(group, {})[field] = value
            else:
                values[group] = value
    return kind(**values)


@pytest.fixture
def no_garbage_collection() -> Iterator[None]:
    """For tests that go as deep as Python lets them, such as by JSON nested 50,000 deep: what the garbage collector ends
    down there fails for want of room, which pytest blames on the test."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """What ``-n auto`` means here."""
    return workers(config.args)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that may take longest come first, so that no worker begins with one when the others are done."""
    items.sort(key=lambda item: -_seconds_allowed(item))


def pytest_collection_finish() -> None:
    """What collecting has left stays for good: without this, each collection of garbage looks through all of it."""
    gc.collect()
    gc.freeze()


def _seconds_allowed(item: pytest.Item) -> float:
    mark = item.get_closest_marker("timeout")
    return float(mark.args[0]) if mark else 0.0


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a skip is a failure, unless its reason says that the machine cannot have what the test needs."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true" and "not on this machine" not in str(report.longrepr):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and CI allows no skips: {report.longrepr}"
    return report


@pytest.fixture
def settings(heliograph_environment: dict[str, str]) -> ServiceSettings:
    """The shared settings that point at the test's own database, NATS account and bucket."""
    return settings_from(heliograph_environment, ServiceSettings)


@pytest.fixture
def make_settings(heliograph_environment: dict[str, str]) -> Callable[..., Any]:
    """Settings of any service, with overrides as nested keyword arguments: ``make_settings(Kind, nats={...})``."""

    def make(kind: type[_Settings], **overrides: dict[str, Any]) -> _Settings:
        base = settings_from(heliograph_environment, kind)
        merged = {group: getattr(base, group).model_copy(update=fields) for group, fields in overrides.items()}
        return base.model_copy(update=merged)

    return make


@pytest.fixture(scope="session")
def photos() -> Path:
    """The folder of real pictures; skips where it is not there."""
    if not PHOTOS.is_dir():
        pytest.skip("the real pictures are not on this machine")
    return PHOTOS
