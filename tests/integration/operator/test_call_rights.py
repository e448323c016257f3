"""Each call of the port needs one right of the operator, and none needs more than the chart grants. What the whole operator
does with its rights is in ``test_rights.py``."""

from __future__ import annotations

import pytest
from lightkube import AsyncClient
from lightkube.core.exceptions import ApiError
from lightkube.types import PatchType
from tests.integration.operator.api_server import GROUP, rights, rules
from tests.integration.operator.namespaces import OperatorNamespace, StreamScaler
from tests.ports.cluster_calls import CALLS

from heliograph_operator.cluster.port import Conflict, Forbidden, NotFound

pytestmark = pytest.mark.xdist_group(GROUP)

WATCHED = {"watch streamscalers"}
"""What kopf does."""

RIGHTS = [f"{verb} {resource}" for _, resource, verb in rights(rules())]


def test_every_right_is_of_one_call_and_every_call_has_its_right() -> None:
    assert len(set(RIGHTS)) == len(RIGHTS)
    assert set(RIGHTS) == CALLS.keys() | WATCHED


async def test_no_call_needs_more_than_the_chart_grants(operator_namespace: OperatorNamespace) -> None:
    assert await _refused(operator_namespace) == {}


@pytest.mark.parametrize("right", sorted(CALLS))
async def test_each_call_needs_its_right_and_others_do_not(operator_namespace: OperatorNamespace, right: str) -> None:
    await operator_namespace.deny(right)
    # An update of a Lease may need the right to create one too: the API server lets an update create.
    assert await _refused(operator_namespace) in ({right: right}, {right: right, "update leases": "create leases"})


async def _refused(namespace: OperatorNamespace) -> dict[str, str]:
    """The calls that are forbidden, with the rights that the errors name."""
    refused = {}
    async with namespace.cluster() as cluster:
        for right, call in CALLS.items():
            try:
                await call(cluster)
            except (NotFound, Conflict):
                continue  # the namespace is empty
            except Forbidden as error:
                refused[right] = error.right
    return refused


async def test_its_account_cannot_change_a_spec_or_delete_a_scaler(operator_namespace: OperatorNamespace) -> None:
    """Nor anything else: these stand for what a program that was taken over would like."""
    client = AsyncClient(operator_namespace.config, operator_namespace.name, trust_env=False)
    try:
        for attempt in (
            client.patch(StreamScaler, "any", {"spec": {}}, patch_type=PatchType.MERGE),
            client.delete(StreamScaler, "any"),
        ):
            with pytest.raises(ApiError, match="forbidden"):
                await attempt
    finally:
        await client.close()
