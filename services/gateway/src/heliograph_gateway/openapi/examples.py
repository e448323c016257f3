"""Examples for the OpenAPI document, made from the schemas themselves. Pure.

``openapi.py`` puts them where they belong. A value comes from ``OF_FIELD`` (``Shape.field``), else from the schema
(``examples``, ``const``, ``enum``), else from ``BY_NAME``, else from its type; so every shape has an example, and a test
holds each to its schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]

_REFERENCE = "#/components/schemas/"
_IMAGE = "01a1f92b-ba77-76a1-85bb-608671403cb6"
_SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

BY_NAME: dict[str, Any] = {
    "id": _IMAGE,
    "image_id": _IMAGE,
    "letter_id": 17,
    "check_id": "01a1f93a-6f0e-7c55-9d5e-2b1a6ad0c7f4",
    "slug": "not-found",
    "name": "beach.jpg",
    "source": "upload",
    "sha256": _SHA256,
    "bytes": 2_411_724,
    "size": 2_411_724,
    "mime_type": "image/jpeg",
    "content_type": "image/jpeg",
    "width": 4032,
    "height": 3024,
    "frames": 1,
    "quality": 82,
    "thumbhash": "1QcSHQRnh493V4dIh4eXh1h4kJUI",
    "dominant_color": "#6f8ea3",
    "phash": "e0f0d8c8b8a89880",
    "exif": {"Make": "Canon", "Model": "EOS R6", "ISO": 100},
    "progress": 60,
    "revision": 3,
    "url": f"/v1/images/{_IMAGE}/renditions/300",
    "links": {"self": f"/v1/images/{_IMAGE}", "original": f"/v1/images/{_IMAGE}/renditions/original"},
    "next": "/v1/images?limit=50&cursor=WzEsIjAxYTFmOTJiIiwiM2Y1YSJd",
    "cursor": "WzEsIjAxYTFmOTJiIiwiM2Y1YSJd",
    "q": "beach",
    "near": _IMAGE,
    "distance": 8,
    "limit": 50,
    "reason": "the file ends before the picture does",
    "attempts": 1,
    "owner": "ann",
    "service": "thumbnailer",
    "subject": "work.render.normal",
    "consumer": "thumbnailer-normal",
    "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    "headers": {"Nats-Msg-Id": _IMAGE, "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
    "payload": f'{{"id": "{_IMAGE}", "type": "render.image", "data": {{}}}}',
}
OF_FIELD: dict[str, Any] = {
    "ImageShape.status": "processing",
    "ImageShape.priority": "normal",
    "ImageShape.error": None,
    "ImageShape.completed_at": None,
    "NearImage.status": "complete",
    "NearImage.progress": 100,
    "NearImage.error": None,
    "StagesShape.stored": "complete",
    "StagesShape.thumbnails": "complete",
    "StagesShape.variants": "processing",
    "StagesShape.analysis": None,
    "RenditionShape.name": "300",
    "RenditionShape.width": 300,
    "RenditionShape.height": 225,
    "RenditionShape.format": "jpeg",
    "RenditionShape.bytes": 14_210,
    "RenditionShape.limited": False,
    "FileOutcome.status": 201,
    "FileOutcome.problem": None,
    "SignedUrl.url": "https://s3.pictures.example/heliograph/originals/9f86d081?X-Amz-Signature=1d5f",
    "Size.name": "300",
    "Size.width": 300,
    "Size.height": 300,
    "DeadLetterShape.id": "17",
    "DeadLetterShape.reason": "attempts exhausted",
    "DeadLetterShape.error": "the object store is away",
    "DeadLetterShape.deliveries": 5,
    "DeadLetterPage.next": None,
    "SizeRunShape.total": 1200,
    "SizeRunShape.queued": 800,
    "SizeRunShape.waiting": 80,
    "SizeRunShape.done": 720,
    "SizeRunShape.finished_at": None,
    "OldHealth.checks": {"database": "healthy", "blobs": "healthy", "nats": "healthy"},
    "OldImage.processing_status": "pending",
    "OldSystemHealth.services": {
        "database": {"status": "healthy"},
        "queue": {"status": "healthy", "waiting": 3, "active": 1, "completed": 1200, "failed": 2},
    },
    "OldTask.task_id": _IMAGE,
    "OldTask.status": "SUCCESS",
}
_BY_FORMAT = {
    "uuid": _IMAGE,
    "date-time": "2026-11-20T09:30:00.123Z",
    "uri": "https://pictures.example/beach.jpg",
}
_BY_TYPE: dict[str, Any] = {"string": "text", "integer": 1, "number": 1.5, "boolean": True, "null": None}


def example_of(schema: Schema, schemas: Mapping[str, Schema], name: str = "") -> Any:
    """A value that ``schema`` allows; ``schemas`` are the document's components, ``name`` is the field's."""
    if reference := schema.get("$ref"):
        shape = reference.removeprefix(_REFERENCE)
        return _object(schemas[shape], schemas, shape) or example_of(schemas[shape], schemas, name)
    for keyword in ("examples", "enum"):
        if schema.get(keyword):
            return schema[keyword][0]
    if "const" in schema:
        return schema["const"]
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices:
        return example_of(choices[0], schemas, name)
    if schema.get("type") == "array":
        return [example_of(schema.get("items", {}), schemas, name)]
    return _object(schema, schemas, "") or _scalar(schema, name)


def _object(schema: Schema, schemas: Mapping[str, Schema], shape: str) -> Any:
    made = {}
    for name, field in schema.get("properties", {}).items():
        own = f"{shape}.{name}"
        made[name] = OF_FIELD[own] if own in OF_FIELD else example_of(field, schemas, name)
    return made


def _scalar(schema: Schema, name: str) -> Any:
    kind = schema.get("type")
    known = BY_NAME.get(name)
    if known is not None and kind in {None, _type_of(known)} and _fits(known, schema):
        return known
    if "default" in schema:
        return schema["default"]
    if schema.get("format") in _BY_FORMAT:
        return _BY_FORMAT[schema["format"]]
    if kind in {"integer", "number"}:
        return max(schema.get("minimum", 1), 1)
    return {"a": "b"} if kind == "object" else _BY_TYPE.get(str(kind))


def _type_of(value: Any) -> str:
    return {str: "string", int: "integer", dict: "object", list: "array"}[type(value)]


def _fits(value: Any, schema: Schema) -> bool:
    """Whether ``value`` is within the bounds and of the format that ``schema`` names."""
    if schema.get("format") in _BY_FORMAT and value != _BY_FORMAT[schema["format"]]:
        return False
    if isinstance(value, int):
        return bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))
    return not isinstance(value, str) or bool(len(value) <= schema.get("maxLength", len(value)))
