"""The steps of tests/e2e, in their order. Each returns what is worth telling, or raises ``Failed``."""

from __future__ import annotations

import asyncio
import calendar
import random
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from scripts.chart_values import components
from tests.e2e import client, images, providers
from tests.e2e.installation import KINDS, NAMESPACE, RELEASE, STACK, Installation
from tests.e2e.shell import ROOT, Failed
from tests.e2e.uploads import upload_pictures

_KILL_PAUSE = 2.0

WAIT_SCRIPT = ROOT / "charts/heliograph/files/wait_for_provision.py"
EMPTY_DATABASE = """
import os, re, signal
name = "HELIOGRAPH_DATABASE__URL"
os.environ[name] = re.sub("/heliograph[?]", "/postgres?", os.environ[name])
signal.alarm(8)
"""
CONNECT = """
import socket
from concurrent.futures import ThreadPoolExecutor
def found(target):
    try:
        socket.create_connection(target, timeout=3).close()
        return "open"
    except ConnectionRefusedError:
        return {refused!r}
    except OSError:
        return "shut"
targets = {targets}
with ThreadPoolExecutor(len(targets)) as pool:
    for (host, _), state in zip(targets, pool.map(found, targets)):
        print(host, state)
"""
PUBLIC = ("93.184.215.14", 80)
"""An address of the internet, at the port of the model's double. The lab has no way there, and says so at once to those whom
the policies let through."""
NOT_PUBLIC = {"metadata": ("169.254.169.254", 80), "private": ("192.168.1.1", 443), "node": ("10.245.0.1", 443)}
CONFINED = """
import os
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        status = dict(line.split(":", 1) for line in open(f"/proc/{pid}/status"))
    except OSError:
        continue
    keys = ("Uid", "NoNewPrivs", "CapEff", "Seccomp", "Seccomp_filters")
    print(pid, *(status.get(key, "?").strip() for key in keys), sep="|")
try:
    open("/written", "w")
    print("root|writable")
except OSError:
    print("root|read-only")
"""
MEASURE = """
import glob, os
def read(*names):
    for name in names:
        if os.path.exists(name):
            return open(name).read()
    return ""
stat = read("/sys/fs/cgroup/memory.stat", "/sys/fs/cgroup/memory/memory.stat")
usage = int(read("/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory/memory.usage_in_bytes"))
fields = dict(line.split() for line in stat.splitlines())
inactive = int(fields.get("total_inactive_file", fields.get("inactive_file", 0)))
started = float(open("/proc/1/stat").read().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
uptime = float(open("/proc/uptime").read().split()[0])
import time
peak = int(read("/sys/fs/cgroup/memory.peak", "/sys/fs/cgroup/memory/memory.max_usage_in_bytes") or 0)
print(usage - inactive, time.time() - uptime + started, peak)
"""


def install_stack(site: Installation, release: images.Release) -> str:
    """PostgreSQL, NATS and S3, ready."""
    site.make_namespace()
    site.install_stack(release)
    return "PostgreSQL, NATS, SeaweedFS"


def install(site: Installation, release: images.Release) -> str:
    """The product, as a first install: provisioned by its hook, every pod ready."""
    began = time.monotonic()
    site.install(release)
    seconds = time.monotonic() - began
    site.site()  # finds the address, which signed URLs then carry
    site.install(release, "upgrade")
    return f"chart {release.version}, ready in {seconds:.0f} s"


def helm_test(site: Installation) -> str:
    """`helm test`."""
    site.cluster.helm("test", RELEASE, "--timeout=3m")
    return "a picture uploaded, seen on a socket, rendered, deleted"


def uploads(site: Installation) -> str:
    """Pictures through the Service, events on a socket, renditions fetched."""
    return asyncio.run(upload_pictures(site.site()))


def waiting(site: Installation) -> str:
    """What the init container does: waits at a database without tables, saying so, and passes at ours."""
    pod = site.pods("gateway")[0]["metadata"]["name"]
    script = WAIT_SCRIPT.read_text(encoding="utf-8")
    passes = site.inside(pod, script)
    waits = site.inside(pod, EMPTY_DATABASE + script, check=False)
    if "the database is at version" not in passes or "has the provision job run?" not in waits:
        raise Failed(f"at our database: {passes}; at an empty one: {waits}")
    return next(line for line in waits.splitlines() if "waiting" in line)


def provision_again(site: Installation) -> str:
    """Provisioning twice at the same time, on what is provisioned already."""
    pods = [pod["metadata"]["name"] for pod in site.pods("gateway")]
    command = ("--", "python", "-m", "heliograph_common.provision")
    with ThreadPoolExecutor() as pool:
        runs = [pool.submit(site.cluster.kubectl, "exec", pods[n % len(pods)], *command) for n in range(2)]
        texts = [one.result() for one in runs]
    changed = [line for text in texts for line in text.splitlines() if '"provisioned"' in line and "none" not in line]
    if changed:
        raise Failed(f"a second run changed something: {changed}")
    return "twice at once, nothing changed"


def confinement(site: Installation) -> str:
    """Render children have a filter of their own, under RuntimeDefault; none has capabilities or a writable root."""
    pod = site.pods("thumbnailer")[0]["metadata"]["name"]
    lines = [line.split("|") for line in site.inside(pod, CONFINED).splitlines()]
    if ["root", "read-only"] not in lines:
        raise Failed("the root of a thumbnailer can be written")
    processes = [line for line in lines if len(line) == 6]
    loose = [line for line in processes if line[2] != "1" or int(line[3], 16) or line[4] != "2"]
    if loose:
        raise Failed(f"processes with privileges, capabilities or without seccomp: {loose}")
    runtime = min(int(line[5]) for line in processes)
    children = [line for line in processes if int(line[5]) > runtime]
    if not children or "not confined" in site.cluster.kubectl("logs", pod):
        raise Failed(f"no render child has a filter of its own: {processes}")
    return f"{len(children)} of {len(processes)} processes have their own filter above the runtime's"


def network(site: Installation) -> str:
    """What the policies let through, and what not."""
    servers = {name: (f"{STACK}-{name}", port) for name, port in (("postgres", 5432), ("nats", 4222), ("s3", 8333))}
    ours = {component.name: (f"{RELEASE}-{component.name}", 80) for component in components() if component.clients}
    others = {"doubles": (providers.NAME, 80), "kubernetes": ("kubernetes.default", 443), **NOT_PUBLIC}
    targets = {**servers, **ours, **others, **({"internet": PUBLIC} if site.cluster.lab else {})}
    for component in components():
        pod = site.pods(component.name)[0]["metadata"]["name"]
        expected = dict.fromkeys(targets, "shut") | dict.fromkeys(set(component.needs) & targets.keys(), "open")
        if component.internet:
            expected |= {"internet": "refused", "doubles": "open"}
        if "kubernetes" in component.needs:  # at whichever address: the trial names none
            expected |= dict.fromkeys(("private", "node"), "refused" if site.cluster.lab else "shut")
        # The lab drops what policies deny; other networks may refuse it.
        refused = "refused" if site.cluster.lab else "shut"
        text = site.inside(pod, CONNECT.format(targets=list(targets.values()), refused=refused))
        for (name, target), line in zip(targets.items(), text.splitlines(), strict=True):
            if line != f"{target[0]} {expected[name]}":
                raise Failed(f"from {component.name} to {name}: {line}, which must be {expected[name]}")
    return "each kind reaches its servers, importers and analyzers public addresses too, the operator the API server"


def kills(site: Installation, seed: int = 1) -> str:
    """A pod of each kind deleted in mid-work, once with notice and once without."""
    return asyncio.run(_kills(site, random.Random(seed)))


async def _kills(site: Installation, order: random.Random) -> str:
    accepted: set[str] = set()
    stop = asyncio.Event()

    async def upload(worker: int) -> None:
        number = 0
        async with site.site().client() as api:
            while not stop.is_set():
                number += 1
                seed = order.randrange(2**31)
                image = await api.upload(client.picture(seed), name=f"kill-{worker}-{number}.jpg")
                accepted.add(str(image.id))
                await asyncio.sleep(0.2)

    turns = [(kind, at_once) for at_once in (False, True) for kind in KINDS]
    order.shuffle(turns)
    async with client.listening(site.site()) as listener:
        uploading = [asyncio.create_task(upload(worker)) for worker in range(2)]
        for kind, at_once in turns:
            await asyncio.sleep(_KILL_PAUSE)
            await asyncio.to_thread(site.kill, kind, at_once=at_once)
            await asyncio.sleep(_KILL_PAUSE)
            await asyncio.to_thread(site.settle, kind)
        stop.set()
        await asyncio.gather(*uploading)
        async with site.site().client() as api:
            await client.finish(api, accepted)
        await listener.until(accepted, "image.ready", 60)
    told = Counter(kind for events in listener.seen.values() for kind in events if kind.endswith("image.ready"))
    twice = told.total() - len(listener.seen)
    extra = f", {twice} told twice" if twice > 0 else ""
    return f"{len(turns)} pods deleted, {len(accepted)} pictures accepted, all complete and on the socket{extra}"


def under_load(site: Installation, change: Callable[[], object]) -> str:
    """Does something to the release while a client without patience uploads, then expects every picture."""
    with client.loading(site.site()) as load:
        time.sleep(3)
        change()
        time.sleep(3)
    told = load.told()
    asyncio.run(_finish(site.site(), load.accepted))
    return f"{told}, {len(load.accepted)} pictures complete"


async def _finish(site: client.Site, accepted: set[str]) -> None:
    async with site.client() as api:
        await client.finish(api, accepted)


def upgrade_pods(site: Installation, release: images.Release) -> str:
    """`helm upgrade`, which replaces every pod."""
    site.install(release, "upgrade", "--set", f"defaults.podAnnotations.e2e=at-{time.time():.0f}")
    return f"to {release.version}"


def upgrade(site: Installation, release: images.Release) -> str:
    """`helm upgrade` under load, which replaces every pod."""
    return f"to {release.version}: " + under_load(site, lambda: upgrade_pods(site, release))


def roll_back(site: Installation) -> str:
    """`helm rollback` to the revision before, under load."""
    return under_load(site, lambda: site.cluster.helm("rollback", RELEASE, "--wait", "--timeout=5m"))


def most_memory(site: Installation) -> str:
    """The most memory that a pod of each kind had so far, page cache included."""
    most = []
    for service in images.SERVICES:
        pods = [pod["metadata"]["name"] for pod in site.pods(service)]
        peak = max(float(site.inside(pod, MEASURE).split()[2]) for pod in pods)
        most.append(f"{service} {peak / 2**20:.0f} MiB")
    return ", ".join(most)


def measure(site: Installation, tag: str) -> str:
    """Size, cold start and idle memory of each image."""
    lines = []
    for service in images.SERVICES:
        pod = site.pods(service)[0]["metadata"]["name"]
        memory, started, _ = map(float, site.inside(pod, MEASURE).split())
        stamps = site.cluster.kubectl("logs", pod, "--timestamps", "-c", service).splitlines()
        serving = next((line for line in stamps if '"serving"' in line), None)
        cold = f"{_epoch(serving.split()[0]) - started:.1f} s" if serving else "?"
        lines.append(f"{service}: {images.size(service, tag)}, {cold} to serving, {memory / 2**20:.0f} MiB idle")
    return "; ".join(lines)


def _epoch(stamp: str) -> float:
    whole, _, rest = stamp.partition(".")
    parsed = time.strptime(whole, "%Y-%m-%dT%H:%M:%S")
    return float(calendar.timegm(parsed)) + float(f"0.{rest.rstrip('Z')}")


def uninstall(site: Installation) -> str:
    """`helm uninstall` of both; what is left is what the stack's chart says it keeps."""
    for release in (RELEASE, STACK):
        site.cluster.helm("uninstall", release, "--wait", "--timeout=3m")
    kept = {f"persistentvolumeclaim/data-{STACK}-{name}-0" for name in ("postgres", "nats", "s3")}
    kept.add(f"secret/{STACK}-credentials")
    end = time.monotonic() + 150  # the longest grace period of a pod is 90 s
    while (left := site.left()) != kept:
        if time.monotonic() > end:
            raise Failed(f"left, beside what is said to stay: {sorted(left - kept)}; gone: {sorted(kept - left)}")
        time.sleep(1)
    site.cluster.sh("kubectl", "delete", "namespace", NAMESPACE, "--timeout=180s")
    return f"left as said: {len(kept) - 1} volumes and their credentials; namespace deleted"
