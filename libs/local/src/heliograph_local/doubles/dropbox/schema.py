"""Dropbox's own schema, as its SDK carries it: which calls there are, with whose credential and on which host, and the types
of what they take and answer. Everything that the double accepts and says goes through here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dropbox import check, files, sharing, stone_serializers
from dropbox.auth import AuthError_validator, RateLimitError_validator
from dropbox.base import DropboxBase
from dropbox.stone_validators import ValidationError

_SCOPE = re.compile(r"scope: (\S+)")


_SERIALIZERS: Any = stone_serializers  # it has no types


class Invalid(Exception):
    """Something that does not match the schema."""


class InvalidRequest(Invalid):
    """A request that Dropbox would not accept."""


class InvalidAnswer(Invalid):
    """An answer that Dropbox would not give."""


@dataclass(frozen=True)
class Call:
    """One route of the API: ``files/list_folder``. ``host`` is ``api`` or ``content``; ``style`` ``rpc`` or ``download``;
    ``users`` of ``app`` and ``user``; ``scope`` is what a user's token needs for it."""

    name: str
    host: str
    style: str
    users: frozenset[str]
    scope: str | None
    arg_type: Any
    result_type: Any
    error_type: Any

    def decode(self, argument: str | bytes) -> Any:
        """The argument of a request.

        Raises:
            InvalidRequest: it is not of the type, or has a field that the type has not.
        """
        try:
            return _SERIALIZERS.json_decode(self.arg_type, argument, strict=True)
        except (ValidationError, UnicodeDecodeError) as error:
            raise InvalidRequest(f"{self.name}: {error}") from error

    def encode(self, result: Any) -> str:
        """A result as JSON.

        Raises:
            InvalidAnswer: it is not of the type.
        """
        return _encoded(self.result_type, result, f"the answer of {self.name}")

    def encode_error(self, error: Any) -> str:
        """The body of a refusal, with its summary.

        Raises:
            InvalidAnswer: it is not of the type.
        """
        return _error_body(self.error_type, error, f"the error of {self.name}")


def auth_error(error: Any) -> str:
    """The body of 401."""
    return _error_body(AuthError_validator, error, "the error of the credential")


def rate_limit_error(error: Any) -> str:
    """The body of 429."""
    return _error_body(RateLimitError_validator, error, "the error of the rate limit", tag="too_many_requests")


def _error_body(validator: Any, error: Any, what: str, *, tag: str = "") -> str:
    encoded = _encoded(validator, error, what)
    tags, rest = [tag] if tag else [], error
    while isinstance(name := getattr(rest, "_tag", None), str):
        tags.append(name)
        rest = rest._value  # noqa: SLF001 - what the accessors of each tag read, whichever it is
    return f'{{"error_summary": "{"/".join(tags)}/...", "error": {encoded}}}'


def _encoded(validator: Any, thing: Any, what: str) -> str:
    try:
        return str(_SERIALIZERS.json_encode(validator, thing))
    except (ValidationError, AttributeError, AssertionError) as error:
        raise InvalidAnswer(f"{what}: {error}") from error


def _calls() -> Mapping[str, Call]:
    found = {}
    for namespace, module in (("files", files), ("sharing", sharing), ("check", check)):
        for route in module.ROUTES.values():
            version = f"_v{route.version}" if route.version > 1 else ""
            name = f"{namespace}/{route.name}{version}"
            method = getattr(DropboxBase, name.replace("/", "_"), None)
            scope = _SCOPE.search((method.__doc__ or "") if method else "")
            users = frozenset(route.attrs["auth"].replace(" ", "").split(","))
            style, host = route.attrs["style"] or "rpc", route.attrs["host"] or "api"
            types = (route.arg_type, route.result_type, route.error_type)
            found[name] = Call(name, host, style, users, scope[1] if scope else None, *types)
    return found


CALLS = _calls()
"""By their names."""
