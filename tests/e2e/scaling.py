"""The operator on a cluster: thumbnailers from zero, many pictures at once with an upgrade in the middle, the loss of the
operator that acts, and how many messages were delivered twice."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

from tests.e2e import client, images
from tests.e2e.installation import RELEASE, Installation
from tests.e2e.sampler import Sampler
from tests.e2e.shell import Failed

WORKERS = f"{RELEASE}-thumbnailer"
LEASE = f"{RELEASE}-operator"
PICTURES = 500
MOST = 6
DECIDE_SECONDS = 20.0
"""A decision takes two seconds; ten times that is a failure."""
WAKE_SECONDS = 60.0
DRAIN_SECONDS = 180.0
IDLE_SECONDS = 120.0
TAKEOVER_SECONDS = 20.0
HEALTHY_SECONDS = 60.0
_UPLOADERS = 16

VALUES = {
    "minReplicas": 0,
    "maxReplicas": MOST,
    "drainSeconds": 5,
    "stabilizationSeconds": 10,
}
"""Of the scaler in these steps: short, so that they are."""

READY = """
import urllib.request
print(urllib.request.urlopen("http://127.0.0.1:9090/readyz", timeout=5).read().decode())
"""
DELIVERIES = """
import asyncio
from heliograph_common.contracts.streams import CONSUMERS, THUMBNAILER
from heliograph_common.runtime.backbone import connect_bus
from heliograph_common.runtime.health import Health
from heliograph_gateway.settings import GatewaySettings
async def main():
    bus = connect_bus("e2e", GatewaySettings(), Health())
    await bus.start()
    await bus.wait_connected()
    stored = (await bus.jetstream.stream_info(THUMBNAILER[0].stream)).state.last_seq
    delivered = left = 0
    for spec in CONSUMERS:
        info = await bus.jetstream.consumer_info(spec.stream, spec.durable)
        if spec in THUMBNAILER:
            delivered += info.delivered.consumer_seq
            left += info.num_pending + info.num_ack_pending
        else:
            stored -= info.delivered.consumer_seq + info.num_pending
    print("commands", stored, delivered, left)
    await bus.stop(5.0)
asyncio.run(main())
"""
"""In a gateway: render commands that were stored (of the stream, less what is other consumers'), that were delivered, and
that are left. Each delivery raises the consumer's sequence, so that one too many shows wherever it went."""


def from_zero(site: Installation, release: images.Release) -> str:
    """Without work there is no thumbnailer; one upload brings one, and is rendered."""
    site.install(release, "upgrade", *_options())
    _healthy(site)
    with Sampler(site.cluster, WORKERS) as sampler:
        sampler.until(lambda seen: seen.existing == 0, IDLE_SECONDS, "no thumbnailer left")
        # One that only finishes is not counted any more, and would still take the upload.
        label, bound = "app.kubernetes.io/component=thumbnailer", f"--timeout={IDLE_SECONDS:.0f}s"
        site.cluster.kubectl("wait", "--for=delete", "pods", "-l", label, bound)
        began = time.monotonic()
        asked, ready = asyncio.run(_one(site))
        sampler.until(lambda seen: seen.ready > 0, WAKE_SECONDS, "a thumbnailer ready")
        wanted = sampler.first(began, lambda seen: seen.wanted > 0)
        running = sampler.first(began, lambda seen: seen.ready > 0)
    if wanted > DECIDE_SECONDS:
        raise Failed(f"the decision took {wanted:.1f} s")
    return (
        f"one upload: answered after {asked:.1f} s, replicas 1 after {wanted:.1f} s, a pod ready after {running:.1f} s, "
        f"thumbnails after {ready:.1f} s"
    )


def _healthy(site: Installation) -> None:
    """Returns when all checks of all operators are fine, those that do not make them unready too."""
    end = time.monotonic() + HEALTHY_SECONDS
    while True:
        names = [pod["metadata"]["name"] for pod in site.pods("operator")]
        found = {name: json.loads(site.inside(name, READY)) for name in names}
        if all(one["status"] == "ready" for one in found.values()):
            return
        if time.monotonic() > end:
            raise Failed(f"operators are not healthy within {HEALTHY_SECONDS:.0f} s: {found}")
        time.sleep(1)


def _options() -> list[str]:
    """Of helm."""
    return [word for key, value in VALUES.items() for word in ("--set", f"thumbnailer.scaler.{key}={value}")]


async def _one(site: Installation) -> tuple[float, float]:
    """Seconds to the answer, and to the event of the thumbnails."""
    async with client.listening(site.site()) as listener, site.site().client() as api:
        began = time.monotonic()
        image = await api.upload(client.picture(_seed(), 600, 400), name="from-zero.jpg")
        asked = time.monotonic() - began
        await listener.until({str(image.id)}, "image.thumbnails_ready", WAKE_SECONDS)
        ready = time.monotonic() - began
        await client.finish(api, {str(image.id)})
    return asked, ready


def many_at_once(site: Installation, release: images.Release) -> str:
    """Up at once, an upgrade in the middle, down by another operator than the one that acted, and no message twice."""
    before, ledger = _commands(site), Ledger(site)
    with Sampler(site.cluster, WORKERS) as sampler:
        began = time.monotonic()
        accepted = asyncio.run(_upload(site, PICTURES))
        uploaded = time.monotonic() - began
        ledger.read()
        site.install(release, "upgrade", *_options())
        upgraded = time.monotonic() - began
        ledger.check(sampler)
        asyncio.run(_finish(site, accepted))
        drained = time.monotonic() - began
        ledger.read()
        took_over = _lose_leader(site)
        sampler.until(lambda seen: seen.existing == 0, IDLE_SECONDS, "no thumbnailer left")
        idle = time.monotonic() - began
        ledger.check(sampler)
    if sampler.peak() < 2:
        raise Failed(f"{PICTURES} pictures at once, and never more than {sampler.peak()} thumbnailers")
    stored, delivered = (now - then for now, then in zip(_commands(site), before, strict=True))
    if delivered != stored or stored < len(accepted):
        raise Failed(f"{len(accepted)} pictures, {stored} commands, and {delivered} deliveries")
    first, used = sampler.first(began, lambda seen: seen.wanted > 1), sampler.replica_seconds()
    return (
        f"{len(accepted)} pictures uploaded in {uploaded:.0f} s, more replicas after {first:.1f} s, {sampler.peak()} at "
        f"most; all complete after {drained:.0f} s, no replica after {idle:.0f} s, {used:.0f} replica-seconds; {stored} "
        f"commands, each delivered once; an upgrade ended after {upgraded:.0f} s and moved no replicas; another operator "
        f"took over within {took_over:.1f} s\n{site.cluster.kubectl('get', 'streamscalers', '-o', 'wide')}"
    )


def usual(site: Installation, release: images.Release) -> str:
    """The limits of the example again, and at least one thumbnailer."""
    site.install(release, "upgrade")
    site.settle("thumbnailer")
    return f"at least one again\n{site.cluster.kubectl('get', 'streamscalers')}"


def beside_hpa(site: Installation, release: images.Release) -> str:
    """The same pictures with a HorizontalPodAutoscaler on CPU, and with the operator: time and replica-seconds. For reading;
    it takes a quarter of an hour, most of which the HorizontalPodAutoscaler waits."""
    if site.cluster.lab:
        site.cluster.metrics()
    target = {"type": "Utilization", "averageUtilization": 70}
    hpa = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": WORKERS},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": WORKERS},
            "minReplicas": 1,
            "maxReplicas": MOST,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
        },
    }
    limits = ("--set", f"thumbnailer.scaler.maxReplicas={MOST}")
    site.install(release, "upgrade", *limits)
    ours = _measured(site)
    site.install(release, "upgrade", "--set", "thumbnailer.scaler.enabled=false", "--set", "thumbnailer.replicas=null")
    site.cluster.kubectl("apply", "-f", "-", stdin=json.dumps(hpa))
    try:
        theirs = _measured(site)
    finally:
        site.cluster.kubectl("delete", "hpa", WORKERS)
        site.install(release, "upgrade", *limits)
    return f"operator: {ours}; HorizontalPodAutoscaler: {theirs}"


def _measured(site: Installation) -> str:
    with Sampler(site.cluster, WORKERS) as sampler:
        sampler.until(lambda seen: seen.existing == seen.ready == 1, 600, "one thumbnailer")
        began = time.monotonic()
        accepted = asyncio.run(_upload(site, PICTURES))
        asyncio.run(_finish(site, accepted))
        drained = time.monotonic() - began
        sampler.until(lambda seen: seen.existing == 1, 600, "one thumbnailer")
        idle = time.monotonic() - began
        return (
            f"{len(accepted)} pictures complete after {drained:.0f} s, {sampler.peak()} replicas at most, one after "
            f"{idle:.0f} s, {sampler.replica_seconds(since=began):.0f} replica-seconds"
        )


async def _upload(site: Installation, count: int) -> set[str]:
    """So many small pictures, no two alike; their ids."""
    seeds = iter(range(first := _seed(), first + count))
    accepted: set[str] = set()

    async def upload() -> None:
        async with site.site().client() as api:
            for seed in seeds:
                image = await api.upload(client.picture(seed, 300, 200), name=f"many-{seed}.jpg")
                accepted.add(str(image.id))

    await asyncio.gather(*(upload() for _ in range(_UPLOADERS)))
    return accepted


async def _finish(site: Installation, accepted: set[str]) -> None:
    async with site.site().client() as api:
        await client.finish(api, accepted, DRAIN_SECONDS)


def _seed() -> int:
    return time.time_ns() // 1000 % 2**31


def _commands(site: Installation) -> tuple[int, int]:
    """Render commands that were stored and that were delivered so far, when none is left."""
    end = time.monotonic() + 30
    while True:
        pod = site.pods("gateway")[0]["metadata"]["name"]
        (line,) = (line for line in site.inside(pod, DELIVERIES).splitlines() if line.startswith("commands "))
        stored, delivered, left = map(int, line.split()[1:])
        if not left:
            return stored, delivered
        if time.monotonic() > end:
            raise Failed(f"{left} commands are left although all pictures are complete")
        time.sleep(0.5)


def _leader(site: Installation) -> str:
    """The holder of the Lease."""
    return str(site.cluster.get("lease", LEASE)[0].get("spec", {}).get("holderIdentity") or "")


def _lose_leader(site: Installation) -> float:
    """Deletes the operator that acts, without notice; seconds until another one does."""
    pods, acting = [pod["metadata"]["name"] for pod in site.pods("operator")], _leader(site)
    mine = [pod for pod in pods if acting.startswith(pod)]
    if not mine:
        raise Failed(f"the Lease is held by {acting!r}, which is none of {pods}")
    began = time.monotonic()
    site.cluster.kubectl("delete", "pod", mine[0], "--wait=false", "--grace-period=0", "--force")
    while _leader(site) in {"", acting}:
        if time.monotonic() - began > TAKEOVER_SECONDS:
            shown = site.cluster.kubectl("get", "pods")
            raise Failed(f"no operator took over within {TAKEOVER_SECONDS:.0f} s:\n{shown}")
        time.sleep(0.2)
    return time.monotonic() - began


class Ledger:
    """The numbers of replicas that the operator decided; its status has the last ten decisions, so read it often."""

    def __init__(self, site: Installation) -> None:
        self._site = site
        self._decided: set[int] = set()
        self.read()

    def read(self) -> None:
        """Adds what the status has now."""
        status: dict[str, Any] = self._site.cluster.get("streamscaler", WORKERS)[0].get("status", {})
        self._decided |= {one[end] for one in status.get("decisions", []) for end in ("from", "to")}

    def check(self, sampler: Sampler) -> None:
        """Raises ``Failed`` where another than the operator set replicas: a number that it never decided, or by the field's
        owners."""
        self.read()
        if strange := {seen.wanted for seen in sampler.seen} - self._decided:
            raise Failed(f"replicas were {sorted(strange)}, and the operator decided {sorted(self._decided)} only")
        shown = self._site.cluster.kubectl("get", "deployment", WORKERS, "-o", "json", "--show-managed-fields")
        entries = json.loads(shown)["metadata"]["managedFields"]
        owners = [one for one in entries if "f:replicas" in one.get("fieldsV1", {}).get("f:spec", {})]
        told = [(one["manager"], one.get("subresource")) for one in owners]
        if [subresource for _, subresource in told if subresource != "scale"]:
            raise Failed(f"replicas belong to {told}, not to the operator's scale alone")


STEPS: dict[str, Callable[[Installation, images.Release], str]] = {
    "Thumbnailers from zero": from_zero,
    f"{PICTURES} pictures at once": many_at_once,
    "Thumbnailers as before": usual,
}
