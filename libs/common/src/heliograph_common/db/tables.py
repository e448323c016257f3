"""All tables together, for migrations and whoever compares: ``metadata`` is complete once this module is imported.
Migrations make these tables (``db/migrations``); a test compares the two."""

from heliograph_common.db import (  # noqa: F401 - for their tables
    analysis_models,
    blob_models,
    check_models,
    display_size_models,
    idempotency_models,
    image_models,
    import_models,
    message_models,
    rate_limit_models,
    search_models,
    upload_models,
    word_models,
    work_models,
)
from heliograph_common.db.base import Base

metadata = Base.metadata
