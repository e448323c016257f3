"""What the API server's refusals mean for a scaler: why it is held, in its words. Pure."""

from __future__ import annotations

from heliograph_operator.cluster.port import ClusterError, ClusterUnavailable, Forbidden, NotFound
from heliograph_operator.conditions import Hold, Reason
from heliograph_operator.model import Target

LONGEST = 400
"""Characters of what the API server said: an admission webhook may say a page."""


def refused(error: ClusterError, target: Target) -> Hold:
    """The hold for ``error``, which names the request and has the server's words."""
    if isinstance(error, NotFound):
        text = f"There is no {target.kind} {target.name} in this namespace. Create it, or correct spec.target."
        return Hold(Reason.TARGET_NOT_FOUND, text)
    said = _brief(str(error))
    if isinstance(error, Forbidden):
        text = f"The operator may not {error.right}. {_remedy(error.right, target)} The API server said: {said}"
        return Hold(Reason.ACCESS_DENIED, text)
    if isinstance(error, ClusterUnavailable):
        return Hold(Reason.API_SERVER, f"The API server fails or cannot be reached. Trying again. {said}")
    return Hold(Reason.REFUSED, f"The API server refuses a request. Trying again. It said: {said}")


def _remedy(right: str, target: Target) -> str:
    if right.endswith("/scale"):
        name = f"{{kind: {target.kind}, name: {target.name}}}"
        return f"Name its target in the chart's value operator.targets ({name}), unless a component's scaler does."
    return "Add that to its Role: apply the chart's again."


def _brief(text: str) -> str:
    line = " ".join(text.split())
    line = line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"
    return line if line.endswith((".", "…")) else f"{line}."
