"""Ports are kept, never shared, and given up only when someone else has them."""

from __future__ import annotations

import socket
from pathlib import Path

from heliograph_local.ports import GRPC_OFFSET, HOST, PortBook


def test_ports_are_the_same_next_time(tmp_path: Path) -> None:
    first = PortBook(tmp_path / "ports.json")
    taken = {name: first.take(name) for name in ("nats", "postgres", "s3")}
    assert first.take("nats") == taken["nats"]
    first.close()

    second = PortBook(tmp_path / "ports.json")
    assert {name: second.take(name) for name in taken} == taken
    assert second.moved == []
    second.close()


def test_reserved_port_is_not_given_to_another_book_before_anyone_listens(tmp_path: Path) -> None:
    one, two = PortBook(tmp_path / "one.json"), PortBook(tmp_path / "two.json")
    port = one.take("nats")
    (tmp_path / "two.json").write_text(f'{{"nats": {port}}}')
    two = PortBook(tmp_path / "two.json")

    moved = two.take("nats")

    assert moved != port
    assert two.moved == [f"port {port} of nats is taken; it listens on {moved} now"]
    one.close()
    two.close()


def test_port_whose_grpc_twin_is_taken_moves(tmp_path: Path) -> None:
    book = PortBook(tmp_path / "ports.json")
    port = book.take("s3-admin")
    book.close()
    with socket.create_server((HOST, port + GRPC_OFFSET)):
        again = PortBook(tmp_path / "ports.json")
        assert again.take("s3-admin") != port
        again.close()


def test_ports_stay_below_the_ephemeral_range(tmp_path: Path) -> None:
    ephemeral = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    book = PortBook(tmp_path / "ports.json")
    assert all(book.take(f"part {number}") + GRPC_OFFSET < ephemeral for number in range(20))
    book.close()
