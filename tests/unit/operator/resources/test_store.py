"""The resources that there are, as events and lists tell them."""

from __future__ import annotations

from typing import Any

from tests.unit.operator.support import parse

from heliograph_operator.resources.store import Store


class HandClock:
    """Seconds, by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def found(name: str, *, uid: str = "1", generation: int = 1, **more: Any) -> dict[str, Any]:
    """An object as the API server has it."""
    spec = more.pop("spec", {})
    return {"metadata": {"name": name, "uid": uid, "generation": generation, **more}, "spec": spec}


def names(store: Store) -> list[str]:
    """In it."""
    return [scaler.name for scaler in store.scalers()]


def test_a_spec_that_does_not_parse_is_kept_with_its_error() -> None:
    store = Store(parse)
    store.put(found("a", spec={"invalid": "no stream"}))
    (scaler,) = store.scalers()
    assert (scaler.spec, scaler.error) == (None, "no stream")
    store.put(found("a", generation=2))
    assert store.scalers()[0].error == ""


def test_what_is_being_deleted_is_gone() -> None:
    store = Store(parse)
    store.put(found("a"))
    store.put(found("a", deletionTimestamp="2026-01-01T00:00:00Z"))
    assert names(store) == []


def test_a_deletion_that_comes_late_spares_the_one_of_the_same_name() -> None:
    store = Store(parse)
    store.put(found("a", uid="1"))
    store.put(found("a", uid="2"))
    store.remove("a", "1")
    assert names(store) == ["a"]


def test_an_older_generation_is_not_taken_back() -> None:
    store = Store(parse)
    store.put(found("a", generation=3))
    store.put(found("a", generation=2, spec={"invalid": "old"}))
    assert store.scalers()[0].generation == 3


def test_a_list_tells_what_a_watch_has_missed() -> None:
    clock = HandClock()
    store = Store(parse, clock=clock)
    for name in ("deleted", "edited", "same", "again"):
        store.put(found(name))
    clock.now = 200.0
    listed = [found("edited", generation=2), found("same"), found("again", uid="2"), found("new")]
    assert store.sync(listed, 200.0) == ["again", "deleted", "edited", "new"]
    assert names(store) == ["again", "edited", "new", "same"]
    clock.now = 300.0
    assert store.sync(listed, 300.0) == []


def test_a_list_is_older_than_what_came_while_it_was_read() -> None:
    clock = HandClock()
    store = Store(parse, clock=clock)
    store.put(found("deleted"))
    clock.now = 200.0
    store.remove("deleted", "1")
    store.put(found("created"))
    assert store.sync([found("deleted")], 150.0) == []
    assert names(store) == ["created"]
    clock.now = 300.0
    assert store.sync([found("created")], 300.0) == []
