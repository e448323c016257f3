"""Writes the Grafana dashboards of the chart, which are too wordy to be kept by hand.

python scripts/chart_dashboards.py [--check]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "charts" / "heliograph" / "dashboards"
WIDTH, HEIGHT, COLUMNS = 8, 8, 24

Panel = tuple[str, str, str, str]
"""Title, unit, query, legend. ``$ns`` stands for the namespace's matcher, ``$by`` for that and the component's. A text among
panels begins a row with that title."""


def quantile(of: str, by: str, matchers: str, share: float = 0.95) -> str:
    """The query for a quantile of a histogram."""
    return f"histogram_quantile({share}, sum by (le, {by}) (rate({of}_bucket{{{matchers}}}[$__rate_interval])))"


STAGE, HTTP, MESSAGE, IMPORTS, ANALYSIS = (
    "heliograph_stage_latency_seconds",
    "heliograph_http_request_duration_seconds",
    "heliograph_message_duration_seconds",
    "heliograph_import",
    "heliograph_analysis",
)
ANSWERS = f"rate({ANALYSIS}_answers_total{{$ns}}[$__rate_interval])"
BUDGET = "max by (provider) (heliograph_word_budget_{}{{$ns}})"

PIPELINE: list[Panel | str] = [
    ("Images ready", "ops", f'sum(rate({STAGE}_count{{stage="ready", $ns}}[$__rate_interval]))', "ready"),
    ("Time from acceptance to stage, 95th percentile", "s", quantile(STAGE, "stage", "$ns"), "{{stage}}"),
    ("Images not ready within 10 s", "percentunit", "heliograph:slow_pictures:ratio_rate5m", "share (objective: 1 %)"),
    (
        "Oldest unacknowledged message",
        "s",
        "max by (consumer) (heliograph_oldest_unacked_age_seconds{$ns})",
        "{{consumer}}",
    ),
    ("Outbox: waiting rows", "short", "max(heliograph_outbox_depth{$ns})", "rows"),
    ("Outbox: oldest row", "s", "max(heliograph_outbox_oldest_age_seconds{$ns})", "age"),
    ("Outbox: quarantined rows", "short", "max(heliograph_outbox_quarantined{$ns})", "rows"),
    ("Messages by outcome", "ops", f"sum by (outcome) (rate({MESSAGE}_count{{$ns}}[$__rate_interval]))", "{{outcome}}"),
    (
        "Redeliveries",
        "ops",
        "sum by (consumer) (rate(heliograph_redeliveries_total{$ns}[$__rate_interval]))",
        "{{consumer}}",
    ),
    (
        "Dead letters",
        "short",
        "sum by (service) (increase(heliograph_dead_letters_total{$ns}[$__range]))",
        "{{service}}",
    ),
    ("Render step duration, 95th percentile", "s", quantile("heliograph_render_seconds", "step", "$ns"), "{{step}}"),
    ("Sockets", "short", "sum by (transport) (heliograph_sockets{$ns})", "{{transport}}"),
    ("Bytes queued for sockets", "bytes", "sum by (pod) (heliograph_socket_queue_bytes{$ns})", "{{pod}}"),
    "Imports",
    (
        "Imports by outcome",
        "short",
        "sum by (source, outcome) (increase(heliograph_imports_total{$ns}[$__rate_interval]))",
        "{{source}} {{outcome}}",
    ),
    (
        "Imports: files by outcome",
        "ops",
        f"sum by (source, outcome) (rate({IMPORTS}_files_total{{$ns}}[$__rate_interval]))",
        "{{source}} {{outcome}}",
    ),
    (
        "Imports: bytes",
        "Bps",
        f"sum by (source) (rate({IMPORTS}_bytes_total{{$ns}}[$__rate_interval]))",
        "{{source}}",
    ),
    (
        "Imports: pauses",
        "short",
        f"sum by (source, reason) (increase({IMPORTS}_waits_total{{$ns}}[$__rate_interval]))",
        "{{source}} {{reason}}",
    ),
    "Analysis",
    (
        "Analyses by outcome",
        "ops",
        "sum by (profile, outcome) (rate(heliograph_analyses_total{$ns}[$__rate_interval]))",
        "{{profile}} {{outcome}}",
    ),
    (
        "Analyses: share answered by source",
        "percentunit",
        f"sum by (source) ({ANSWERS}) / scalar(sum({ANSWERS}))",
        "{{source}}",
    ),
    (
        "Analyses: calls by outcome",
        "ops",
        f"sum by (model, outcome) (rate({ANALYSIS}_calls_total{{$ns}}[$__rate_interval]))",
        "{{model}} {{outcome}}",
    ),
    (
        "Analyses: duration of calls, median",
        "s",
        quantile(f"{ANALYSIS}_call_seconds", "model", "$ns", 0.5),
        "{{model}}",
    ),
    (
        "Analyses: duration of calls, 99th percentile",
        "s",
        quantile(f"{ANALYSIS}_call_seconds", "model", "$ns", 0.99),
        "{{model}}",
    ),
    (
        "Analyses: tokens per second",
        "short",
        f"sum by (model, kind) (rate({ANALYSIS}_tokens_total{{$ns}}[$__rate_interval]))",
        "{{model}} {{kind}}",
    ),
    (
        "Analyses: cost per hour",
        "currencyUSD",
        f"3600 * sum by (profile, model) (rate({ANALYSIS}_cost_dollars_total{{$ns}}[$__rate_interval]))",
        "{{profile}} {{model}}",
    ),
    (
        "Analyses: cost over the selected range",
        "currencyUSD",
        f"sum by (profile, model) (increase({ANALYSIS}_cost_dollars_total{{$ns}}[$__range]))",
        "{{profile}} {{model}}",
    ),
    (
        "Analyses: waits by reason",
        "short",
        f"sum by (reason) (increase({ANALYSIS}_waits_total{{$ns}}[$__rate_interval]))",
        "{{reason}}",
    ),
    ("Analyses: oldest queued", "s", f"max({ANALYSIS}_oldest_age_seconds{{$ns}})", "age"),
    ("Analyses: paused", "bool_yes_no", f"max({ANALYSIS}_paused{{$ns}})", "paused"),
    ("Analyses: analyzers with credentials", "short", f"sum({ANALYSIS}_configured{{$ns}})", "analyzers"),
]
WORDS: list[Panel | str] = [
    ("Words waiting for an image", "short", "max by (lane) (heliograph_word_queue_length{$ns})", "{{lane}}"),
    ("Words with an image", "short", "max(heliograph_word_images{$ns})", "words"),
    ("Requests in the last hour", "short", "max by (provider) (heliograph_word_budget_used{$ns})", "{{provider}}"),
    (
        "Share of the hourly budget used",
        "percentunit",
        f"{BUDGET.format('used')} / {BUDGET.format('limit')}",
        "{{provider}}",
    ),
    ("Requests allowed per hour", "short", "max by (provider) (heliograph_word_budget_limit{$ns})", "{{provider}}"),
    (
        "Requests by task and outcome",
        "short",
        "sum by (provider, task, outcome) (increase(heliograph_word_requests_total{$ns}[$__rate_interval]))",
        "{{provider}} {{task}} {{outcome}}",
    ),
    ("Requests paused", "bool_yes_no", "max by (provider) (heliograph_word_paused{$ns})", "{{provider}}"),
    (
        "Requests left, as the provider reports",
        "short",
        "min by (provider) (heliograph_photo_provider_remaining{$ns})",
        "{{provider}}",
    ),
]
OPERATOR, WORKER = "heliograph_operator", "heliograph_worker"
COMPLETED = f"sum by (consumer) (rate({WORKER}_completions_total{{$ns}}[$__rate_interval]))"
SCALING: list[Panel | str] = [
    ("Replicas", "short", f"max by (scaler) ({OPERATOR}_replicas{{$ns}})", "{{scaler}}"),
    ("Replicas wanted", "short", f"max by (scaler) ({OPERATOR}_wanted_replicas{{$ns}})", "{{scaler}}"),
    (
        "Changes of replicas, by term",
        "short",
        f"sum by (scaler, direction, term) (increase({OPERATOR}_decisions_total{{$ns}}[$__rate_interval]))",
        "{{scaler}} {{direction}}: {{term}}",
    ),
    ("Backlog", "short", f"max by (scaler) ({OPERATOR}_backlog{{$ns}})", "{{scaler}}"),
    ("Messages in hand", "short", f"max by (scaler) ({OPERATOR}_in_flight{{$ns}})", "{{scaler}}"),
    (
        "Conditions",
        "bool_yes_no",
        f"max by (scaler, condition) ({OPERATOR}_condition{{$ns}})",
        "{{scaler}} {{condition}}",
    ),
    "Workers",
    ("Slots", "short", f"sum by (consumer) ({WORKER}_slots{{$ns}})", "{{consumer}}"),
    (
        "Slots in use",
        "percentunit",
        f"sum by (consumer) ({WORKER}_busy{{$ns}}) / sum by (consumer) ({WORKER}_slots{{$ns}})",
        "{{consumer}}",
    ),
    ("Slots that wait for a server", "short", f"sum by (consumer) ({WORKER}_stalled{{$ns}})", "{{consumer}}"),
    (
        "Completed messages",
        "ops",
        COMPLETED,
        "{{consumer}}",
    ),
    (
        "Messages per second of a busy slot",
        "ops",
        f"{COMPLETED} / sum by (consumer) (rate({WORKER}_busy_seconds_total{{$ns}}[$__rate_interval]))",
        "{{consumer}}",
    ),
    "Operators",
    ("Operators that act", "short", f"sum({OPERATOR}_leader{{$ns}})", "operators"),
    (
        "Time of one look at a scaler, 95th percentile",
        "s",
        quantile(f"{OPERATOR}_tick_duration_seconds", "pod", "$ns"),
        "{{pod}}",
    ),
    (
        "Failed requests to the Kubernetes API",
        "short",
        f"sum by (call, reason) (increase({OPERATOR}_request_failures_total{{$ns}}[$__rate_interval]))",
        "{{call}} {{reason}}",
    ),
]
SERVICE: list[Panel | str] = [
    (
        "Requests",
        "reqps",
        f"sum by (route, method) (rate({HTTP}_count{{$by}}[$__rate_interval]))",
        "{{method}} {{route}}",
    ),
    (
        "Errors",
        "reqps",
        f'sum by (status) (rate({HTTP}_count{{status=~"[45]..", $by}}[$__rate_interval]))',
        "{{status}}",
    ),
    ("Request duration, 95th percentile", "s", quantile(HTTP, "route", "$by"), "{{route}}"),
    (
        "Messages",
        "ops",
        f"sum by (consumer, outcome) (rate({MESSAGE}_count{{$by}}[$__rate_interval]))",
        "{{consumer}} {{outcome}}",
    ),
    ("Message duration, 95th percentile", "s", quantile(MESSAGE, "consumer", "$by"), "{{consumer}}"),
    ("Dead letters", "ops", "sum by (pod) (rate(heliograph_dead_letters_total{$by}[$__rate_interval]))", "{{pod}}"),
    ("CPU", "short", "sum by (pod) (rate(process_cpu_seconds_total{$by}[$__rate_interval]))", "{{pod}}"),
    ("Memory", "bytes", "sum by (pod) (process_resident_memory_bytes{$by})", "{{pod}}"),
    ("Open files", "short", "sum by (pod) (process_open_fds{$by})", "{{pod}}"),
]


def layout(panels: list[Panel | str]) -> list[dict[str, Any]]:
    """All panels, three abreast; each row begins on a line of its own."""
    placed: list[dict[str, Any]] = []
    x = y = 0
    for number, spec in enumerate(panels, 1):
        if isinstance(spec, str):
            y += HEIGHT if x else 0
            placed.append(row(number, spec, y))
            x, y = 0, y + 1
        else:
            placed.append(panel(number, spec, x, y))
            x = (x + WIDTH) % COLUMNS
            y += 0 if x else HEIGHT
    return placed


def row(number: int, title: str, y: int) -> dict[str, Any]:
    """The heading of the panels below it."""
    return {
        "id": number,
        "type": "row",
        "title": title,
        "collapsed": False,
        "gridPos": {"x": 0, "y": y, "w": COLUMNS, "h": 1},
        "panels": [],
    }


def panel(number: int, spec: Panel, x: int, y: int) -> dict[str, Any]:
    """One time series."""
    title, unit, query, legend = spec
    query = query.replace("$ns", 'namespace="$namespace"').replace(
        "$by", 'namespace="$namespace", component="$component"'
    )
    return {
        "id": number,
        "type": "timeseries",
        "title": title,
        "datasource": {"type": "prometheus", "uid": "$datasource"},
        "gridPos": {"x": x, "y": y, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "targets": [{"refId": "A", "expr": query, "legendFormat": legend, "exemplar": True}],
    }


def variable(name: str, query: str) -> dict[str, Any]:
    """A variable whose values are those of a label."""
    return {
        "name": name,
        "type": "query",
        "datasource": {"type": "prometheus", "uid": "$datasource"},
        "query": query,
        "refresh": 2,
    }


def dashboard(name: str, title: str, panels: list[Panel | str], *variables: dict[str, Any]) -> dict[str, Any]:
    """The JSON model (schema version 39, Grafana 11)."""
    namespace = variable("namespace", "label_values(heliograph_outbox_depth, namespace)")
    return {
        "uid": f"heliograph-{name}",
        "title": title,
        "tags": ["heliograph"],
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {
            "list": [{"name": "datasource", "type": "datasource", "query": "prometheus"}, namespace, *variables]
        },
        "panels": layout(panels),
    }


def main() -> int:
    """Writes, or with ``--check`` compares."""
    component = variable("component", 'label_values(process_cpu_seconds_total{namespace="$namespace"}, component)')
    made = {
        "pipeline": dashboard("pipeline", "Heliograph: pipeline", PIPELINE),
        "words": dashboard("words", "Heliograph: words", WORDS),
        "scaling": dashboard("scaling", "Heliograph: scaling", SCALING),
        "service": dashboard("service", "Heliograph: one service", SERVICE, component),
    }
    stale = []
    for name, model in made.items():
        path, content = FOLDER / f"{name}.json", json.dumps(model, indent=1) + "\n"
        if not path.exists() or path.read_text(encoding="utf-8") != content:
            stale.append(path.name)
            if sys.argv[1:] != ["--check"]:
                path.write_text(content, encoding="utf-8")
    if stale and sys.argv[1:] == ["--check"]:
        print(f"{', '.join(stale)}: stale; run: make generate", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
