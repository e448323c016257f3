"""What of the API client.py alone needs to know: addresses, and the answers that are lists."""

from __future__ import annotations

from urllib.parse import parse_qs, quote, urlsplit
from uuid import UUID

from pydantic import Field

from heliograph_client.models import Check, DeadLetter, DisplaySize, Image, Model, QuarantinedMessage

CHECKS = "/v1/admin/checks"
QUARANTINE = "/v1/quarantine"


class ImagePage(Model):
    """A page of images."""

    images: list[Image]
    next: str | None


class DeadLetterPage(Model):
    """A page of dead letters."""

    dead_letters: list[DeadLetter]
    next: str | None


class QuarantinePage(Model):
    """A page of quarantined messages."""

    messages: list[QuarantinedMessage]
    next: str | None


class CheckPage(Model):
    """A page of checks."""

    checks: list[Check]
    next: str | None


class DisplaySizes(Model):
    """All sizes."""

    sizes: list[DisplaySize] = Field(default_factory=list)


def image_path(image_id: UUID | str) -> str:
    """Where an image is."""
    return f"/v1/images/{quote(str(image_id), safe='')}"


def check_path(check_id: UUID | str) -> str:
    """Where a check is."""
    return f"{CHECKS}/{quote(str(check_id), safe='')}"


def letter_path(letter_id: str) -> str:
    """Where a dead letter is."""
    return f"/v1/dead-letters/{quote(letter_id, safe='')}"


def quarantine_path(message_id: UUID | str) -> str:
    """Where a quarantined message is."""
    return f"{QUARANTINE}/{quote(str(message_id), safe='')}"


def cursor_in(link: str | None) -> str | None:
    """The cursor in the address of a next page."""
    return parse_qs(urlsplit(link).query).get("cursor", [None])[0] if link else None
