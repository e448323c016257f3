"""Init container of every pod that uses the database: waits until that has the tables of this version, and says so.

A version that this code does not know is a newer one, and fits: a pod may start while a release is upgraded or rolled back.
"""

import asyncio
import sys
import time

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from heliograph_common.db import migrations
from heliograph_common.db.engine import Database
from heliograph_common.errors import Unavailable
from heliograph_common.settings import ServiceSettings

SAY_AGAIN_SECONDS = 15.0


async def found(database):
    async with database.transaction() as connection:
        return await connection.run_sync(lambda c: MigrationContext.configure(c).get_current_revision())


async def main():
    scripts = ScriptDirectory.from_config(migrations.config())
    older = {script.revision for script in scripts.walk_revisions()} - {scripts.get_current_head()}
    database = Database(ServiceSettings().database, application="heliograph-wait")
    said, said_at = "", 0.0
    while True:
        try:
            version = await found(database)
            if version is not None and version not in older:
                print(f"the database is at version {version}", flush=True)
                break
            at, needed = version or "none", migrations.head()
            reason = f"the database is at version {at}, {needed} is needed: has the provision job run?"
        except Unavailable as error:
            reason = str(error)
        if reason != said or time.monotonic() - said_at > SAY_AGAIN_SECONDS:
            print(f"waiting: {reason}", file=sys.stderr, flush=True)
            said, said_at = reason, time.monotonic()
        await asyncio.sleep(1)
    await database.close()


asyncio.run(main())
