"""Keys of uploads, and the time that is in their ids."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from heliograph_common.blobs import keys
from heliograph_common.clock import utc_now
from heliograph_common.ids import made_at, new_id


def test_an_upload_is_found_in_the_keys_of_its_objects() -> None:
    upload_id = new_id()

    for name in ("file", "part-0001.bin"):
        key = keys.upload(upload_id, name)
        assert key.startswith(keys.uploads(upload_id))
        assert keys.upload_of(key) == upload_id


@pytest.mark.parametrize(
    "key",
    [
        "uploads/",
        "uploads/file",
        "uploads/01a1f92b-ba77-76a1-85bb-608671403cb6",
        "uploads/01a1f92b-ba77-76a1-85bb-608671403cb6/",
        "uploads/01A1F92B-BA77-76A1-85BB-608671403CB6/file",
        "uploads/01a1f92bba7776a185bb608671403cb6/file",
        "uploads/01a1f92b-ba77-76a1-85bb-608671403cb6/a/b",
        "originals/01a1f92b-ba77-76a1-85bb-608671403cb6/file",
    ],
)
def test_other_keys_belong_to_no_upload(key: str) -> None:
    assert keys.upload_of(key) is None


def test_ids_tell_when_they_were_made() -> None:
    assert abs(made_at(new_id()) - utc_now()) < timedelta(minutes=1)
    assert made_at(UUID("017f22e2-79b0-7cc3-98c4-dc0c0c07398f")) == datetime(2022, 2, 22, 19, 22, 22, tzinfo=UTC)
    assert made_at(UUID(int=2**128 - 1)).year == 9999
