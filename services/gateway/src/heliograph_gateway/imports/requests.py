"""What a request wants imported: links and addresses read, tokens put into the form in which they are kept. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from heliograph_common.contracts.links.registry import LINKS, SOURCES, URLS
from heliograph_common.contracts.links.urls import normalize
from heliograph_gateway.http import bodies
from heliograph_gateway.imports.schemas import Authorization, ImportRequest

_TOKEN = "token"  # noqa: S105 - a word in the names of budgets
_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """An import that may be begun: ``url`` as it was sent, ``location`` what was read from it, ``urls`` normalized and each
    once."""

    source: str
    url: str | None = None
    location: Mapping[str, str] = field(default_factory=dict)
    urls: Sequence[str] | None = None
    recursive: bool = True
    profile: str | None = None
    credential: str | None = None
    authorization: Authorization | None = None

    def columns(self) -> dict[str, Any]:
        """Those of its row, but the token's."""
        budget = f"{self.source}:{self.credential or 'default'}"
        return {
            "source": self.source,
            "url": self.url,
            "location": dict(self.location),
            "urls": None if self.urls is None else list(self.urls),
            "recursive": self.recursive,
            "analysis_profile": self.profile,
            "credential": self.credential,
            "budget": budget if self.authorization is None else token_budget(self.source, self.authorization),
        }


def wanted(request: ImportRequest, *, profiles: Sequence[str], max_urls: int) -> Wanted:
    """What ``request`` asks for; the caller runs it in a thread, because a list may be long.

    Raises:
        Problem: each field that is wrong, and what to do about it.
    """
    wrong = [*_wrong_fields(request, max_urls)]
    if request.analyze and request.analyze not in profiles:
        known = f"Must be one of {', '.join(profiles)}" if profiles else "This installation has no analysis profiles"
        wrong.append(("/analyze", known))
    if wrong:
        raise bodies.invalid(wrong)
    return Wanted(
        source=request.source,
        url=request.url,
        location=_location(request),
        urls=None if request.urls is None else _addresses(request.urls),
        recursive=request.recursive,
        profile=request.analyze or None,
        credential=request.credential,
        authorization=request.authorization,
    )


def _wrong_fields(request: ImportRequest, max_urls: int) -> list[tuple[str, str]]:
    """Fields that do not go with the source, or with one another."""
    wrong = []
    if request.source not in SOURCES:
        return [("/source", f"Must be one of {', '.join(SOURCES)}")]
    needed, other = ("urls", "url") if request.source == URLS else ("url", "urls")
    if getattr(request, needed) is None:
        wrong.append((f"/{needed}", f"Required for the source `{request.source}`"))
    if getattr(request, other) is not None:
        wrong.append((f"/{other}", f"Not allowed for the source `{request.source}`; send `{needed}`"))
    if request.urls is not None and len(request.urls) > max_urls:
        wrong.append(("/urls", f"At most {max_urls:,} URLs per import; send the others in another one"))
    if request.source == URLS:
        given = [name for name in ("authorization", "credential") if getattr(request, name) is not None]
        wrong += [(f"/{name}", f"Not allowed for the source `{URLS}`") for name in given]
    elif request.authorization is not None and request.credential is not None:
        wrong.append(("/authorization", "Not allowed together with `credential`; send one of them"))
    return wrong


def _location(request: ImportRequest) -> Mapping[str, str]:
    if request.url is None:
        return {}
    try:
        return LINKS[request.source](request.url)
    except ValueError as error:
        raise bodies.invalid([("/url", _detail(error))]) from None


def _addresses(urls: Sequence[str]) -> list[str]:
    found: dict[str, None] = {}
    wrong = []
    for place, url in enumerate(urls):
        try:
            found[normalize(url)] = None
        except ValueError as error:
            wrong.append((f"/urls/{place}", _detail(error)))
    if wrong:
        raise bodies.invalid(wrong[:_SHOWN])
    return list(found)


def _detail(error: ValueError) -> str:
    message = str(error)
    return message[:1].upper() + message[1:]


def token_facts(authorization: Authorization) -> dict[str, Any]:
    """A user's token as it is sealed: the fields of the importer's ``OAuthToken``."""

    def plain(secret: Any) -> str | None:
        return None if secret is None else secret.get_secret_value()

    return {
        "access_token": plain(authorization.access_token),
        "refresh_token": plain(authorization.refresh_token),
        "expires_at": None if authorization.expires_at is None else authorization.expires_at.timestamp(),
        "client_id": authorization.client_id,
        "client_secret": plain(authorization.client_secret),
    }


def token_budget(source: str, authorization: Authorization) -> str:
    """The budget of a user's token: one for all imports that are handed the same."""
    secret = authorization.refresh_token or authorization.access_token
    digest = hashlib.sha256(secret.get_secret_value().encode()).hexdigest()
    return f"{source}:{_TOKEN}:{digest[:16]}"


def is_of_token(budget: str) -> bool:
    """Whether the budget is that of a user's token."""
    return f":{_TOKEN}:" in budget
