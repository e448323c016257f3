"""Subclasses of classes that their libraries do not promise to keep: what they override and use must still exist there.

The pyproject files cap those libraries; whoever raises a cap sees here what has gone.
"""

from __future__ import annotations

import ast
import inspect
import textwrap

import pytest

from heliograph_common.blobs import pools
from heliograph_common.db.connection import BoundedConnection
from heliograph_common.runtime import http_server
from heliograph_notifier.transports import wire

ADDED: dict[type, set[str]] = {
    http_server._Server: set(),
    http_server.BoundedHead: set(),
    wire.Http: set(),
    wire.Wire: {"write", "shut", "forget_handshake"},
    pools.Pools: set(),
    pools.Retries: set(),
    BoundedConnection: set(),
}
"""Each subclass, and its public methods that override nothing."""


@pytest.mark.parametrize("cls", ADDED, ids=lambda cls: cls.__name__)
def test_what_is_overridden_exists(cls: type) -> None:
    methods = {name for name, value in vars(cls).items() if inspect.isfunction(value) and not name.startswith("_")}
    assert methods - ADDED[cls] <= set(dir(cls.__base__))


@pytest.mark.parametrize("cls", ADDED, ids=lambda cls: cls.__name__)
def test_what_is_used_exists(cls: type) -> None:
    inherited = set(dir(cls.__base__)).union(*(set_on_self(parent) for parent in cls.__mro__[1:]))
    assert on_self(cls, ast.Load, ast.Store) <= inherited | set(vars(cls)) | set_in_init(cls)


def set_on_self(cls: type) -> set[str]:
    """The attributes that a library's class gives its objects."""
    try:
        return on_self(cls, ast.Store)
    except (OSError, TypeError):  # not written in Python
        return set()


def set_in_init(cls: type) -> set[str]:
    return on_self(cls, ast.Store, method="__init__")


def on_self(cls: type, *contexts: type[ast.expr_context], method: str = "") -> set[str]:
    """Attributes of ``self`` that the class's methods, or one of them, read or set."""
    [tree] = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    assert isinstance(tree, ast.ClassDef)
    return {
        node.attr
        for part in tree.body
        if not method or getattr(part, "name", "") == method
        for node in ast.walk(part)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, contexts) and ast.unparse(node.value) == "self"
    }
