"""A gateway that takes users' tokens."""

from __future__ import annotations

import base64
import os

import pytest
from pydantic import SecretStr

from heliograph_common.settings import ImportSettings
from heliograph_gateway.settings import GatewaySettings


@pytest.fixture
def gateway_settings(gateway_settings: GatewaySettings) -> GatewaySettings:
    """Those of all tests of the gateway, with a key for tokens and small limits."""
    key = SecretStr(base64.urlsafe_b64encode(os.urandom(32)).decode())
    own = gateway_settings.gateway.model_copy(
        update={"active_imports": 3, "urls_per_import": 100, "analysis_profiles": ["food"]}
    )
    return gateway_settings.model_copy(update={"imports": ImportSettings(token_keys=key), "gateway": own})
