"""The shapes that every feature's are made of, and what they say to the OpenAPI document."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

LINKED = "x-linked"
"""Key under which a schema carries what ``linked`` says; ``openapi.document`` makes links of it and takes it out."""
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
"""An example."""

NextPage = Annotated[
    str | None, Field(description="URL of the next page, relative to the server. Null on the last page.")
]


class Shape(BaseModel):
    """Nothing beside the fields that are declared."""

    model_config = ConfigDict(extra="forbid")


def linked(parameter: str, pointer: str) -> dict[str, Any]:
    """``json_schema_extra`` of a shape whose answers lead to all operations that take the path parameter ``parameter``; the
    JSON ``pointer`` says where its value stands in the answer."""
    return {LINKED: [parameter, pointer]}


class ProblemDocument(BaseModel):
    """Problem details (RFC 9457). `type` is the URL of a page that explains the problem."""

    type: Annotated[str, Field(description="URL of the page that explains the problem, relative to the server.")]
    title: Annotated[
        str,
        Field(
            description="Short summary of the problem. The same for every problem of this type.", examples=["Not found"]
        ),
    ]
    status: Annotated[int, Field(description="HTTP status code.", examples=[404])]
    detail: Annotated[
        str, Field(description="What went wrong with this request.", examples=["The image does not exist."])
    ]
    remedy: Annotated[str, Field(description="What to do about it.", examples=["Check the id."])]
    trace_id: Annotated[
        str | None,
        Field(
            description="Id of the trace of this request, to quote in a report. Null if the request is not traced.",
            examples=[TRACE_ID],
        ),
    ]
    errors: Annotated[
        list[dict[str, str]] | None,
        Field(
            description="One entry per invalid value: `detail`, and its place as `parameter` (name of the parameter "
            "or header) "
            "or `pointer` (JSON pointer into the body). Null or missing for other problems.",
            examples=[None],
        ),
    ] = None
