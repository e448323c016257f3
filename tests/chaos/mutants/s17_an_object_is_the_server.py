"""Whatever the object store answers about one object counts as an outage, but for a missing one."""

from __future__ import annotations

from typing import Any

MODULE = "heliograph_common.blobs.minio"


def mutate(module: Any) -> None:
    """Changes what every call of the store raises."""
    from heliograph_common.errors import BlobsUnavailable, HeliographError, NotFound

    call = module.MinioBlobs._call

    async def undiscerning(*arguments: Any, **named: Any) -> Any:
        try:
            return await call(*arguments, **named)
        except NotFound:
            raise
        except HeliographError as error:
            raise BlobsUnavailable(str(error)) from error

    module.MinioBlobs._call = undiscerning
