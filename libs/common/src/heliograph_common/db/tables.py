"""All tables together, for migrations and whoever compares: ``metadata`` is complete once this module is imported."""

from heliograph_common.db import blob_models, check_models, upload_models, work_models  # noqa: F401 - for their tables
from heliograph_common.db.models import Base

metadata = Base.metadata
