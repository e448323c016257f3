"""What tests of the double of Unsplash share."""

from __future__ import annotations

HEADERS = {"authorization": "Client-ID access-key-of-the-double", "accept-version": "v1"}
