"""Replicas and backlog over time as one SVG, readable on light and on dark pages."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.scaling.scenarios import Scenario
from benchmarks.scaling.simulation import Run

_WIDTH, _LEFT, _RIGHT = 760, 60, 20
_PANEL, _GAP, _TOP = 150, 48, 72
_HEIGHT = _TOP + 2 * _PANEL + _GAP + 40
_POINTS = 300

_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #57606a }
.title { font-size: 14px; font-weight: 600; fill: #1f2328 }
.grid { stroke: #8c959f; stroke-opacity: .3 }
.line { fill: none; stroke-width: 1.5; stroke-linejoin: round }
.c0 { stroke: #0969da; stroke-width: 2.5 } .c1 { stroke: #bc4c00 } .c2 { stroke: #8250df } .c3 { stroke: #1a7f37 }
.blind { fill: #8c959f; fill-opacity: .18 }
@media (prefers-color-scheme: dark) {
text { fill: #9198a1 } .title { fill: #f0f6fc }
.c0 { stroke: #58a6ff } .c1 { stroke: #f0883e } .c2 { stroke: #bc8cff } .c3 { stroke: #3fb950 }
}
"""

Point = tuple[float, float]


def write(path: Path, scenario: Scenario, runs: Mapping[str, Run]) -> None:
    """Draws ``runs`` by their names, at most four, the first one boldest."""
    path.parent.mkdir(parents=True, exist_ok=True)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">',
        f"<title>{scenario.name}: replicas and backlog over time</title><style>{_STYLE}</style>",
        f'<text class="title" x="{_LEFT}" y="20">{scenario.name}</text>',
        *_legend(list(runs)),
        *_panel(scenario, "replicas", _TOP, {name: _thinned(run, 1) for name, run in runs.items()}, logarithmic=False),
        *_panel(
            scenario,
            "messages",
            _TOP + _PANEL + _GAP,
            {name: _thinned(run, 2) for name, run in runs.items()},
            logarithmic=True,
        ),
        f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 6}" text-anchor="end">seconds</text>',
        "</svg>\n",
    ]
    path.write_text("\n".join(parts), encoding="utf-8")


def _legend(names: Sequence[str]) -> list[str]:
    parts, x = [], _LEFT
    for number, name in enumerate(names):
        parts.append(f'<path class="line c{number}" d="M{x} 36h22"/><text x="{x + 28}" y="40">{name}</text>')
        x += 60 + 7 * len(name)
    return parts


def _thinned(run: Run, column: int) -> list[Point]:
    """The greatest of each stretch."""
    size = max(1, math.ceil(len(run.samples) / _POINTS))
    stretches = (run.samples[start : start + size] for start in range(0, len(run.samples), size))
    return [(stretch[0][0], max(sample[column] for sample in stretch)) for stretch in stretches]


def _panel(
    scenario: Scenario, label: str, top: float, lines: Mapping[str, Sequence[Point]], *, logarithmic: bool
) -> list[str]:
    most = max(value for points in lines.values() for _, value in points)
    ticks = [0.0, *(10.0**power for power in range(1, 7) if 10**power <= most)] if logarithmic else _ticks(most)
    greatest = most if logarithmic else ticks[-1]

    def x(at: float) -> float:
        return round(_LEFT + at / scenario.seconds * (_WIDTH - _LEFT - _RIGHT), 1)

    def y(value: float) -> float:
        part = math.log10(value + 1) / math.log10(greatest + 1) if logarithmic else value / greatest
        return round(top + _PANEL * (1 - part), 1)

    parts = [f'<text x="{_LEFT}" y="{top - 6}">{label}</text>']
    start, end = scenario.blind
    if end > start:
        parts.append(
            f'<rect class="blind" x="{x(start)}" y="{top}" width="{x(end) - x(start):.1f}" height="{_PANEL}"/>'
        )
    for tick in ticks:
        parts.append(f'<path class="grid" d="M{_LEFT} {y(tick)}H{_WIDTH - _RIGHT}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y(tick) + 4}" text-anchor="end">{tick:,.0f}</text>')
    parts += [
        f'<text x="{x(at)}" y="{top + _PANEL + 16}" text-anchor="middle">{at}</text>'
        for at in range(0, int(scenario.seconds) + 1, 300)
    ]
    for number, points in reversed(list(enumerate(lines.values()))):
        path = " ".join(f"{x(at)} {y(value)}" for at, value in points)
        parts.append(f'<path class="line c{number}" d="M{path}"/>')
    return parts


def _ticks(most: float) -> list[float]:
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100) if most <= 5 * step)
    return [float(step * number) for number in range(math.ceil(most / step) + 1)]
