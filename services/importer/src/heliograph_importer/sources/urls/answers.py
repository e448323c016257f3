"""What the answer of a host means for the file: the errors of the port by status and headers. Pure, but for the date."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from heliograph_importer.sources.headers import seconds_until
from heliograph_importer.sources.port import AccessDenied, Missing, NotDownloadable, ProviderFailed, QuotaExceeded

_WITHOUT_WORD_SECONDS = 60.0
"""The wait after a 429 that does not say how long."""
_LONGEST_WAIT_SECONDS = 6 * 3600.0
_LEAST_WAIT_SECONDS = 1.0
_PAGES = {"text/html", "application/xhtml+xml"}
_TRY_AGAIN = {408, 425}


def check(status: int, headers: Mapping[str, str], host: str, shown: str) -> None:
    """Returns where a body is to be read. ``shown`` names the address without its query.

    Raises:
        SourceError, QuotaExceeded, ProviderFailed: see there.
    """
    if status in {200, 203}:
        if headers.get("content-type", "").partition(";")[0].strip().lower() in _PAGES:
            raise NotDownloadable(
                f"{shown} leads to a web page, not to an image: open the page and use the address of the image itself"
            )
        return
    wait = retry_after(headers)
    if status == 429 or (status == 503 and wait is not None):
        raise QuotaExceeded(f"{host} wants no more requests for now", delay=wait or _WITHOUT_WORD_SECONDS, budget=host)
    if status in {404, 410}:
        raise Missing(f"{shown} does not exist: check the address")
    if status in {401, 403, 407, 451}:
        raise AccessDenied(f"{shown} is not public (status {status}): make it public or use an address that is")
    if status >= 500 or status in _TRY_AGAIN:
        raise ProviderFailed(f"{host} failed with status {status}: try again later")
    raise NotDownloadable(f"{shown} has no file to download (status {status}): check the address")


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """The seconds that ``Retry-After`` asks for, as a number or as a date, within reason; ``None`` if it asks for none."""
    told = headers.get("retry-after", "").strip()
    if told.isascii() and told.isdigit():
        seconds: float | None = float(told[:9])
    else:
        seconds = seconds_until(told, now)
    if seconds is None:
        return None
    return min(max(seconds, _LEAST_WAIT_SECONDS), _LONGEST_WAIT_SECONDS)
