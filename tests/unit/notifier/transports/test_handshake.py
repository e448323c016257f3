"""What handshakes are read by, beyond what a library sends."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers, QueryParams
from starlette.requests import HTTPConnection
from tests.unit.notifier.support import event

from heliograph_common.http.problems import Problem
from heliograph_notifier.protocol.vocabulary import MAX_ENTRIES
from heliograph_notifier.transports.handshake import check_origin, check_url, cursor_of, filter_of

EVENT = event(1)


def request(query: str = "", *headers: tuple[str, str]) -> HTTPConnection:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    return HTTPConnection({"type": "http", "query_string": query.encode(), "headers": raw})


def test_a_query_is_repeated_or_separated_by_commas() -> None:
    for query in ("types=image.failed,image.ready", "types=image.failed&types=image.ready"):
        assert filter_of(QueryParams(query)).passes(EVENT)
    assert not filter_of(QueryParams("types=image.failed")).passes(EVENT)
    assert filter_of(QueryParams("all_owners=false&all_owners=true")).all_owners


@pytest.mark.parametrize(
    "query", ["all_owners=yes", f"types={'x' * 201}", f"image_ids={','.join(['x'] * (MAX_ENTRIES + 1))}"]
)
def test_malformed_queries(query: str) -> None:
    with pytest.raises(Problem) as refused:
        filter_of(QueryParams(query))
    assert refused.value.status == 400


@pytest.mark.parametrize("query", ["token=x", "tok%65n=x", "a=1&Access_Token=", "jwt"])
def test_a_token_in_the_url_is_refused_however_it_is_written(query: str) -> None:
    with pytest.raises(Problem) as refused:
        check_url(QueryParams(query))
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("query", "headers", "cursor"),
    [
        ("cursor=5f.1", ["5f.2"], "5f.1"),
        ("cursor=5f.1&cursor=5f.3", [], "5f.3"),
        ("cursor=", ["5f.2"], "5f.2"),
        ("", ["5f.2", "5f.3"], "5f.3"),
        ("", [""], None),
        ("", [], None),
    ],
)
def test_the_last_cursor_counts_and_the_querys_before_the_headers(
    query: str, headers: list[str], cursor: str | None
) -> None:
    assert cursor_of(request(query, *(("last-event-id", value) for value in headers))) == cursor


@pytest.mark.parametrize(
    ("origins", "passes"),
    [
        ([], True),
        (["https://here.example"], True),
        (["HTTPS://HERE.EXAMPLE"], True),
        (["https://app.example"], True),
        (["https://elsewhere.example"], False),
        (["null"], False),
        (["http://["], False),
        (["https://app.example", "https://elsewhere.example"], False),
    ],
)
def test_origins(origins: list[str], passes: bool) -> None:
    pairs = [("host", "here.example"), *(("origin", origin) for origin in origins)]
    headers = Headers(raw=[(name.encode(), value.encode()) for name, value in pairs])
    if passes:
        check_origin(headers, ["https://app.example"])
        return
    with pytest.raises(Problem) as refused:
        check_origin(headers, ["https://app.example"])
    assert refused.value.status == 403
