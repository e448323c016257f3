"""The service that ``test_new_service`` adds: its files, and the edits that CONTRIBUTING.md asks for."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from tests.architecture.support import before, replaced, write

PACKAGE = "services/echo/src/heliograph_echo"
COPIED = {
    "services/notifier/Dockerfile": "services/echo/Dockerfile",
    "services/notifier/LICENSE": "services/echo/LICENSE",
    "services/notifier/src/heliograph_notifier/py.typed": f"{PACKAGE}/py.typed",
    "services/notifier/src/heliograph_notifier/__main__.py": f"{PACKAGE}/__main__.py",
}
"""Files of another service that need another name in them, and no other change."""

WRITTEN = {
    "services/echo/pyproject.toml": """[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[project]
name = "heliograph-echo"
version = "0.1.0"
description = "Names images in its log"
readme = "README.md"
requires-python = ">=3.11"
license = "Apache-2.0"
license-files = ["LICENSE"]
dependencies = [
    "heliograph-common",
]

[tool.hatch.build.targets.wheel]
packages = ["src/heliograph_echo"]
""",
    "services/echo/README.md": """# heliograph-echo

Names images in its log.
""",
    f"{PACKAGE}/__init__.py": '"""Writes down what it is told."""\n',
    f"{PACKAGE}/settings.py": '''"""What the echo reads from its environment."""

from __future__ import annotations

from pydantic import BaseModel, Field

from heliograph_common.settings import ServiceSettings


class EchoOwnSettings(BaseModel):
    """What only the echo has."""

    slots: int = Field(4, ge=1, description="Echoes at one time.")


class EchoSettings(ServiceSettings):
    """All of it."""

    echo: EchoOwnSettings = EchoOwnSettings()
''',
    f"{PACKAGE}/bootstrap.py": '''"""Wires the echo: the only place here that names concrete adapters."""

from __future__ import annotations

from collections.abc import Sequence

from heliograph_common.messaging.worker import WorkerSettings
from heliograph_common.runtime.backbone import Backbone
from heliograph_common.runtime.health import Health
from heliograph_common.runtime.lifecycle import Component
from heliograph_echo.handler import EchoHandler
from heliograph_echo.settings import EchoSettings

NAME = "echo"


async def build(settings: EchoSettings, health: Health) -> Sequence[Component]:
    """The echo's components in the order of their start."""
    backbone = Backbone.connect(NAME, settings, health)
    workers = WorkerSettings(slots=settings.echo.slots)
    return [*backbone.components, *backbone.worker(EchoHandler(), workers, patience=5.0, available=())]
''',
    f"{PACKAGE}/handler.py": '''"""Handles ``echo.image``: the image is named in the log."""

from __future__ import annotations

from uuid import UUID

import structlog

from heliograph_common.contracts.body import Command
from heliograph_common.contracts.messages import EchoImage
from heliograph_common.errors import HeliographError
from heliograph_common.messaging.job import Job
from heliograph_common.messaging.transaction import Transaction

log = structlog.get_logger(__name__)


class EchoHandler:
    """Needs nothing."""

    consumer = "echo"
    command = EchoImage

    async def adopt(self, connection: object, command: Command) -> bool:
        """No version ever sent an echo without its row of work."""
        return False

    async def claim(self, job: Job, transaction: Transaction) -> UUID | None:
        """The image."""
        return job.command.target

    async def handle(self, job: Job, claim: UUID) -> None:
        """Names it."""
        async with job.conclude():
            log.info("echo", image_id=str(claim))

    async def give_up(self, job: Job, failure: HeliographError, transaction: Transaction) -> None:
        """It concerns nobody."""
''',
    "charts/heliograph/components/echo.yaml": """# Names images in its log.
needs: [postgres, nats, s3]
env:
  ECHO__SLOTS: "{{ .Values.echo.slots }}"
""",
}

_SECTION = """# Names images in its log.
echo:
  # Pods. {integer >=0}
  replicas: 2
  image:
    # Its repository.
    repository: heliograph/echo
    # Its tag; empty takes `image.tag`.
    tag: ""
    # Its digest, sha256:…; takes the place of the tag.
    digest: ""
  # Requests and limits.
  resources:
    requests: {cpu: 100m, memory: 128Mi}
    limits: {memory: 256Mi}
  # Seconds between SIGTERM and exit. {number >0}
  drainSeconds: 25
  # Echoes at one time in a pod. {integer >=1}
  slots: 4

"""
_SUBJECT = '''def echo() -> str:
    """The subject of commands to name an image, ``work.echo``."""
    return "work.echo"


'''
_MESSAGE = '''class EchoImage(ImageCommand, frozen=True, kw_only=True):
    """Name an image in a log."""

    type: ClassVar[str] = "echo.image"
    kind: ClassVar[str] = "echo"
    receivers: ClassVar[Mapping[str, Receiver]] = {subjects.echo(): Receiver("Received by echoes.", durable="echo")}


'''


def _another_image(text: str) -> str:
    """The notifier's artifact and values, with our name."""
    for pattern in (r"^( *)- image: heliograph/notifier\n(?:\1 +.*\n)*", r"^(?: *notifier\.image\..*\n)+"):
        found = re.search(pattern, text, re.MULTILINE)
        assert found, f"nothing looks like {pattern}"
        text = text.replace(found[0], found[0] + found[0].replace("notifier", "echo"))
    return text


EDITS: dict[str, Callable[[str], str]] = {
    "pyproject.toml": replaced(r"^mypy_path = \[", 'mypy_path = ["services/echo/src", '),
    ".importlinter": replaced(r"^root_packages =\n", "root_packages =\n    heliograph_echo\n"),
    "libs/local/src/heliograph_local/services.py": replaced(
        r"^(SERVICES = \(.*)\)$", r'\1, Service("echo", "heliograph_echo"))'
    ),
    "skaffold.yaml": _another_image,
    "charts/heliograph/values.yaml": before(r"^(?:#.*\n)+notifier:\n", _SECTION),
    "libs/common/src/heliograph_common/contracts/subjects.py": before(r"^def event\(", _SUBJECT),
    "libs/common/src/heliograph_common/contracts/messages.py": replaced(
        r"^(COMMANDS: .*)\)$", lambda found: f"{_MESSAGE}{found[1]}, EchoImage)"
    ),
}
"""By the file that is edited."""


def add_files(tree: Path) -> None:
    """What the service brings along."""
    for source, target in COPIED.items():
        text = (tree / source).read_text(encoding="utf-8")
        write(tree / target, text.replace("Notifier", "Echo").replace("notifier", "echo"))
    for name, text in WRITTEN.items():
        write(tree / name, text)


def edit_files(tree: Path) -> None:
    """What is there and must know of it."""
    for name, edit in EDITS.items():
        write(tree / name, edit((tree / name).read_text(encoding="utf-8")))
