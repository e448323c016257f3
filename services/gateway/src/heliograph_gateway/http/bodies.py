"""JSON request bodies: read within a cap, decoded, and held strictly to their shape. What is wrong is named by pointer.

Bodies are read once the caller is known; FastAPI itself would read them before that, and without a cap.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
from fastapi import Request
from pydantic import BaseModel, ValidationError

from heliograph_common.http.problems import Problem, sentence
from heliograph_gateway.http.problems import BODY_TOO_LARGE, INVALID_BODY, INVALID_JSON, UNSUPPORTED_MEDIA_TYPE

_BODY_BYTES = 64 * 1024

_Model = TypeVar("_Model", bound=BaseModel)


class Documented(dict[str, Any]):
    """``openapi_extra`` of a route that takes a JSON body; ``openapi.document`` adds the schema of ``model``."""

    def __init__(self, model: type[BaseModel], *, required: bool = True) -> None:
        schema = {"$ref": f"#/components/schemas/{model.__name__}"}
        super().__init__(requestBody={"required": required, "content": {"application/json": {"schema": schema}}})
        self.model = model


async def read(
    request: Request, model: type[_Model], *, limit: int = _BODY_BYTES, empty: _Model | None = None
) -> _Model:
    """The body, of at most ``limit`` bytes, as a ``model``; ``empty`` is what it means to send none, where that may be.

    Raises:
        Problem: it is too large, no JSON, or has a field that is missing, not known, or not acceptable.
    """
    body = await received(request, limit)
    if not body and empty is not None:
        return empty
    return validated(decoded(body), model)


def decoded(body: bytes) -> Any:
    """What the JSON in ``body`` says.

    Raises:
        Problem: it is no JSON.
    """
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(INVALID_JSON, sentence(str(error))) from None


def validated(value: Any, model: type[_Model], at: str = "") -> _Model:
    """``value``, which stands at the pointer ``at`` of its document, as a ``model``.

    Raises:
        Problem: it is not.
    """
    try:
        return model.model_validate(value, strict=True)
    except ValidationError as error:
        found = faults(error, at)
    raise invalid(found)


def faults(error: ValidationError, at: str = "") -> list[tuple[str, str]]:
    """Pointer and message of each fault that ``error`` tells of in what stands at the pointer ``at``."""
    return [("/".join([at, *map(_escaped, each["loc"])]), each["msg"]) for each in error.errors()]


def invalid(wrong: Sequence[tuple[str, str]]) -> Problem:
    """The refusal of a body: JSON pointers (RFC 6901) and what is wrong there."""
    errors = [{"pointer": pointer, "detail": detail} for pointer, detail in wrong]
    detail = "; ".join(f"`{pointer}`: {detail}" if pointer else f"Body: {detail}" for pointer, detail in wrong[:5])
    return Problem(INVALID_BODY, detail, extra={"errors": errors})


def _escaped(step: int | str) -> str:
    return str(step).replace("~", "~0").replace("/", "~1")


async def received(
    request: Request, limit: int = _BODY_BYTES, *, remedy: str | None = None, any_type: bool = False
) -> bytes:
    """The body as it was sent, of at most ``limit`` bytes. ``remedy``: what to do about a larger one. ``any_type``: whatever
    its type is said to be.

    Raises:
        Problem: it is too large, or says that it is something else than JSON.
    """
    essence = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if essence != "application/json" and not any_type:
        raise Problem(
            UNSUPPORTED_MEDIA_TYPE, "The body must be `application/json`.", headers={"Accept": "application/json"}
        )
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            extra = {} if remedy is None else {"remedy": remedy}
            raise Problem(BODY_TOO_LARGE, f"The body exceeds the limit of {limit:,} bytes.", extra=extra)
    return bytes(body)
