"""The gateway's OpenAPI document, made without servers, and validators of its schemas."""

from __future__ import annotations

from typing import Any, cast

from jsonschema import Draft202012Validator

from heliograph_common.runtime.health import Health
from heliograph_gateway.app import api
from heliograph_gateway.http.services import Services
from heliograph_gateway.settings import GatewaySettings


class _NoServices:
    def get(self, _: type) -> None:
        return None


APP = api(cast("Services", _NoServices()), Health(), GatewaySettings())


DOCUMENT = APP.openapi()


def validator(schema: dict[str, Any]) -> Draft202012Validator:
    """Of a schema that refers to the document's components."""
    whole = {**schema, "components": DOCUMENT["components"]}
    return Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER)
