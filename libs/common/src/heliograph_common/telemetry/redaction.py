"""Takes secrets out of anything that leaves the process as text: log lines, exceptions in logs, errors on spans.

It is a net, not a licence: secrets are kept in ``SecretStr`` and out of URLs anyway.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "[hidden]"

_WORDS = (
    "password|passwd|pwd|passphrase|secret(?:[_-]?key)?|token|authorization|cookie|credential|credentials|signature|"
    "api[_-]?key|access[_-]?key|private[_-]?key"
)
_SECRET_KEY = re.compile(rf"(?i)(?:^|[_\-.])(?:{_WORDS})(?:$|[_\-.])")
_QUERY = (
    "x-amz-signature|x-amz-credential|x-amz-security-token|awsaccesskeyid|signature|sig|token|access_token|"
    "refresh_token|id_token|client_secret|api_key|apikey|key|code|password|secret"
)
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(://)(?:[^/\s?#'\"@]{0,200}:[^\s'\"@]{0,200}|[^/\s?#'\"@]{1,200})@"), rf"\1{HIDDEN}@"),
    (re.compile(rf"(?i)([?&](?:{_QUERY})=)[^&\s#'\"<>]+"), rf"\1{HIDDEN}"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=\-]{6,}[^\s'\",;]*"), rf"\1 {HIDDEN}"),
    (re.compile(r"\beyJ[A-Za-z0-9_\-]+\.[A-Za-z0-9_\-]+(?:\.[A-Za-z0-9_\-]*)?"), HIDDEN),
    (re.compile(rf"(?i)(?<![a-z0-9])((?:{_WORDS})['\"]?\s*[=:]\s*)(['\"])(?:(?!\2).)*\2"), rf"\1\2{HIDDEN}\2"),
    (re.compile(rf"(?i)(?<![a-z0-9])((?:{_WORDS})\s*=\s*)(?!['\"\[])[^\s&,;)'\"]+"), rf"\1{HIDDEN}"),
)


def redact_text(text: str) -> str:
    """``text`` without URL userinfo, signatures and tokens in queries, bearer tokens, JWTs and ``password=…``."""
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def redact(value: Any, key: str = "") -> Any:
    """``value`` with its secrets hidden: everything under a key such as ``password`` or ``s3_secret_key``, and what
    ``redact_text`` knows inside strings; mappings and sequences are copied, other objects become redacted text only
    where they are exceptions or bytes."""
    if key and _SECRET_KEY.search(key):
        return HIDDEN
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Mapping):
        return {str(name): redact(inner, str(name)) for name, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [redact(inner) for inner in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return redact_text(str(value))
