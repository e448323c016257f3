"""Writes docs/reference/settings.md from the settings classes of all services.

    python scripts/settings_reference.py [--check]

A service is a folder in ``services``; its settings class is the one in its ``settings`` module that no other class there
builds on. A setting that several services read must mean the same in all of them.
"""

from __future__ import annotations

import importlib
import inspect
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from heliograph_common.setting_sources import PREFIX
from heliograph_common.settings import ServiceSettings

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "reference" / "settings.md"
SERVICES = sorted(path.parent.name for path in (ROOT / "services").glob("*/pyproject.toml"))

_WORDS = {
    str: "text",
    int: "integer",
    float: "number",
    bool: "`true` or `false`",
    Decimal: "number",
    Path: "path",
    SecretStr: "secret",
}
_BOUNDS = {Ge: ("ge", "≥"), Gt: ("gt", ">"), Le: ("le", "≤"), Lt: ("lt", "<")}

_INTRODUCTION = """# Settings

<!-- Written by scripts/settings_reference.py from the settings classes. Change those, then run: make generate -->

Services read their settings from environment variables. A variable with two underscores in a row belongs to a group, and
can be read from a file instead (for mounted secrets): add `_FILE` to its name and give the path, such as
`HELIOGRAPH_DATABASE__URL_FILE=/run/secrets/database-url`, or put it into `/run/secrets` under its name in lower case without
`HELIOGRAPH_`, such as `database__url` ([secrets from files](../guides/install.md#secrets-from-files)). Lists and objects are
JSON. A setting that is not valid keeps the service from starting, and is named in the error.

`python -m heliograph_common.provision` reads what all services read. On Kubernetes the
[chart's values](../../charts/heliograph/README.md#values) set these variables.
"""


@dataclass(frozen=True)
class Setting:
    """One environment variable, as Markdown. ``group``: the field of the settings class that it belongs to, or ""."""

    group: str
    variable: str
    type: str
    default: str
    description: str


def settings_class(service: str) -> type[ServiceSettings]:
    """The class that has all settings of a service."""
    module = importlib.import_module(f"heliograph_{service}.settings")
    (found,) = (
        value
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, ServiceSettings) and value.__module__ == module.__name__
    )
    return found


def settings_of(kind: type[ServiceSettings]) -> Iterator[Setting]:
    """Every setting of a service, in the order of its fields.

    Raises ``ValueError`` for a field without a description.
    """
    for name, field in kind.model_fields.items():
        if model := _model(field.annotation):
            for inner, its_field in model.model_fields.items():
                yield _setting(name, f"{name}__{inner}", its_field)
        else:
            yield _setting("", name, field)


def _setting(group: str, path: str, field: FieldInfo) -> Setting:
    return Setting(group, PREFIX + path.upper(), _type(field), _default(field), _described(path, field))


def _described(path: str, field: FieldInfo) -> str:
    if not field.description:
        raise ValueError(f"{path} has no description: give its Field one, with the unit")
    return field.description


def _model(annotation: Any) -> type[BaseModel] | None:
    return annotation if inspect.isclass(annotation) and issubclass(annotation, BaseModel) else None


def _type(field: FieldInfo) -> str:
    bounds = " and ".join(
        f"{sign} {getattr(limit, attribute):,}"
        for limit in field.metadata
        for kind, (attribute, sign) in _BOUNDS.items()
        if isinstance(limit, kind)
    )
    return f"{_word(field.annotation)} {bounds}".strip()


def _word(annotation: Any) -> str:
    """How a type is called for whoever sets a variable."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _word(arguments[0])
    if origin is None:
        model = _model(annotation)
        return f"[{model.__name__}](#{model.__name__.lower()})" if model else _WORDS[annotation]
    if origin is Literal:
        return " or ".join(f"`{choice}`" for choice in arguments)
    words = [_word(each) for each in arguments if each is not NoneType]
    if origin not in {list, dict}:
        words = list(dict.fromkeys(words))  # what may be JSON or not is one type to whoever sets a variable
    forms = {list: "list of {0}", dict: "object of {1} by {0}"}
    return forms.get(origin, " or ".join(words)).format(*words)


def _default(field: FieldInfo) -> str:
    if field.default_factory is not None:
        return "depends on the machine"
    value = field.default
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, BaseModel):
        value = value.model_dump()
    if value is None or value == "":
        return "none"
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _values(kind: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """The objects that settings are made of beside groups: what stands in lists, in objects or where null may be."""
    for field in kind.model_fields.values():
        if group := _model(field.annotation):
            yield from _values(group)
        else:
            for model in filter(None, map(_model, _parts(field.annotation))):
                yield model
                yield from _values(model)


def _parts(annotation: Any) -> Iterator[Any]:
    yield annotation
    for each in get_args(annotation):
        yield from _parts(each)


def page(classes: dict[str, type[ServiceSettings]]) -> str:
    """The whole document, for the settings class of each service.

    Raises ``ValueError`` for a field without a description, and where services describe one variable differently.
    """
    readers: dict[Setting, list[str]] = {}
    titles: dict[str, str] = {"": ""}
    objects: dict[str, type[BaseModel]] = {}
    for service, kind in classes.items():
        for setting in settings_of(kind):
            readers.setdefault(setting, []).append(service)
        for name, field in kind.model_fields.items():
            if model := _model(field.annotation):
                titles.setdefault(name, inspect.cleandoc(model.__doc__ or "").replace("``", "`"))
        objects |= {model.__name__: model for model in _values(kind)}
    _agree(readers)
    parts = [_INTRODUCTION]
    for group, title in titles.items():
        parts.append(f"## {f'`{PREFIX}{group.upper()}__…`' if group else 'Every service'}\n")
        parts += [f"{title}\n"] if title else []
        parts.append(_table({setting: by for setting, by in readers.items() if setting.group == group}, len(classes)))
    parts += [_object_section(model) for model in objects.values()]
    return "\n".join(parts)


def _agree(readers: dict[Setting, list[str]]) -> None:
    variables = [setting.variable for setting in readers]
    twice = sorted({each for each in variables if variables.count(each) > 1})
    if twice:
        raise ValueError(f"services differ in the type, default or description of {', '.join(twice)}")


def _table(readers: dict[Setting, list[str]], services: int) -> str:
    rows = ["| Variable | Type | Default | Description | Read by |", "| --- | --- | --- | --- | --- |"]
    for setting, names in readers.items():
        by = "all" if len(names) == services else ", ".join(names)
        rows.append(_row(f"`{setting.variable}`", setting.type, setting.default, setting.description, by))
    return "\n".join(rows) + "\n"


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _object_section(model: type[BaseModel]) -> str:
    rows = ["| Field | Type | Default | Description |", "| --- | --- | --- | --- |"]
    for name, field in model.model_fields.items():
        default = "required" if field.is_required() else _default(field)
        rows.append(_row(f"`{name}`", _type(field), default, _described(name, field)))
    text = inspect.cleandoc(model.__doc__ or "").replace("``", "`")
    return f"## {model.__name__}\n\n{text}\n\n" + "\n".join(rows) + "\n"


def main() -> int:
    """Writes, or with ``--check`` compares; 1 when the page is stale."""
    made = page({service: settings_class(service) for service in SERVICES})
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == made:
        return 0
    if sys.argv[1:] == ["--check"]:
        print(f"{PAGE.relative_to(ROOT)} does not fit the settings classes; run: make generate", file=sys.stderr)
        return 1
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
