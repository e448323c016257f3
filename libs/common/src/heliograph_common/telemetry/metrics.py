"""Every metric: name, unit, meaning, labels. Services import the objects; nothing is measured under another name.

Times are seconds, sizes bytes. Labels take few values: routes are templates, consumers durables, never ids. Dashboards
and alerts of the chart are checked against ``names()``.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import choose_encoder

from heliograph_common.telemetry.tracing import current_trace_id

REGISTRY = CollectorRegistry(auto_describe=True)
"""Ours alone; the default registry of prometheus-client stays unused."""

_REQUEST = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_MESSAGE = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_STAGE = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 60, 300, 1800, 7200)
_STEP = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 30)

ProcessCollector(registry=REGISTRY)  # process_cpu_seconds_total, process_resident_memory_bytes and the like

# Requests by route template, from the first byte in to the last byte out.
http_request_duration = Histogram(
    "heliograph_http_request_duration_seconds",
    "Time from the receipt of a request to the end of its response",
    ("route", "method", "status"),
    registry=REGISTRY,
    buckets=_REQUEST,
)
# Requests above the limit of their caller, by route template.
rate_limited = Counter(
    "heliograph_rate_limited_total", "Requests rejected by a rate limit", ("route", "method"), registry=REGISTRY
)
# Requests that passed because PostgreSQL could not say whether they may.
rate_limit_unchecked = Counter(
    "heliograph_rate_limit_unchecked_total", "Requests allowed because rate limits were unavailable", registry=REGISTRY
)
# Messages by durable and what became of them, from receipt to ack: ack (done), repeated (was done, or is another's), nak
# (failed, to be tried again), returned (a server was away for too long), stale (a newer attempt has it), dead (given up),
# unsettled (NATS or PostgreSQL did not confirm; it comes again).
message_duration = Histogram(
    "heliograph_message_duration_seconds",
    "Time from the receipt of a message to the end of its handling",
    ("consumer", "outcome"),
    registry=REGISTRY,
    buckets=_MESSAGE,
)
# How far behind acceptance each stage was reached: stored, thumbnails, ready, socket.
stage_latency = Histogram(
    "heliograph_stage_latency_seconds",
    "Time from the acceptance of an image to a stage",
    ("stage",),
    registry=REGISTRY,
    buckets=_STAGE,
)
# Age of the oldest message that is delivered or waiting and not acked; the server's exporters do not tell it.
oldest_unacked_age = Gauge(
    "heliograph_oldest_unacked_age_seconds",
    "Age of the oldest unacknowledged message of a consumer",
    ("consumer",),
    registry=REGISTRY,
)
# Messages that a worker handles at one time, by durable.
worker_slots = Gauge("heliograph_worker_slots", "Slots of a worker", ("consumer",), registry=REGISTRY)
# Slots in use.
worker_busy = Gauge("heliograph_worker_busy", "Slots of a worker in use", ("consumer",), registry=REGISTRY)
# Slots in use whose messages wait for a server that is away.
worker_stalled = Gauge(
    "heliograph_worker_stalled",
    "Slots of a worker that wait for an unavailable server",
    ("consumer",),
    registry=REGISTRY,
)
# Time that slots were in use, summed over slots; jobs that still run count, waiting for servers does not.
worker_busy_seconds = Counter(
    "heliograph_worker_busy_seconds_total", "Time that slots were in use", ("consumer",), registry=REGISTRY
)
# Messages that a worker was done with: outcomes ack, repeated and dead.
worker_completions = Counter(
    "heliograph_worker_completions_total", "Messages that a worker completed", ("consumer",), registry=REGISTRY
)
# Reports of workers that the operator left out of account: malformed, too_many (no room for another process).
worker_reports_ignored = Counter(
    "heliograph_worker_reports_ignored_total", "Reports of workers that were ignored", ("reason",), registry=REGISTRY
)
# Deliveries beyond the first.
redeliveries = Counter(
    "heliograph_redeliveries_total", "Messages delivered more than once", ("consumer",), registry=REGISTRY
)
# Messages given up, by the service that gave up.
dead_letters = Counter("heliograph_dead_letters_total", "Messages dead-lettered", ("service",), registry=REGISTRY)
# Rows not yet published.
outbox_depth = Gauge("heliograph_outbox_depth", "Outbox rows waiting to be published", registry=REGISTRY)
# Rows that can never be published and wait for an administrator.
outbox_quarantined = Gauge(
    "heliograph_outbox_quarantined", "Outbox rows quarantined because they cannot be published", registry=REGISTRY
)
# Age of the oldest row not yet published; 0 when there is none.
outbox_oldest_age = Gauge(
    "heliograph_outbox_oldest_age_seconds", "Age of the oldest outbox row waiting to be published", registry=REGISTRY
)
# Render steps (decode, resample, encode, …) by the format read or written (jpeg, webp, …).
render_seconds = Histogram(
    "heliograph_render_seconds", "Duration of a render step", ("step", "format"), registry=REGISTRY, buckets=_STEP
)
# Renders by how they ended: ok, failed (the picture is at fault), killed, timeout.
render_children = Counter(
    "heliograph_render_children_total", "Render child processes by outcome", ("outcome",), registry=REGISTRY
)
# Deletions of objects that failed on the object itself, and are tried again.
blob_delete_failures = Counter(
    "heliograph_blob_delete_failures_total", "Objects that could not be deleted", registry=REGISTRY
)
# What checks found wrong, and what of that they repaired, by kind (rendition_missing, work_superfluous, …).
check_findings = Counter("heliograph_check_findings_total", "Findings of checks", ("kind",), registry=REGISTRY)
check_repairs = Counter("heliograph_check_repairs_total", "Findings repaired by checks", ("kind",), registry=REGISTRY)
# Open client connections by transport (websocket, sse).
sockets = Gauge("heliograph_sockets", "Open event connections", ("transport",), registry=REGISTRY)
# Bytes queued for all clients of this process.
socket_queue_bytes = Gauge("heliograph_socket_queue_bytes", "Bytes queued for event clients", registry=REGISTRY)
# Clients closed because their queue was full.
socket_drops = Counter(
    "heliograph_socket_drops_total", "Event clients disconnected for reading too slowly", registry=REGISTRY
)
# Resumes that could not be complete, by reason.
socket_resets = Counter(
    "heliograph_socket_resets_total",
    "Event clients that could not resume without a gap",
    ("reason",),
    registry=REGISTRY,
)

# Imports that ended by themselves: completed, whatever became of their files, or failed as a whole.
imports = Counter("heliograph_imports_total", "Imports that ended", ("source", "outcome"), registry=REGISTRY)
# Files of imports by what became of them: imported, unchanged, skipped, failed.
import_files = Counter(
    "heliograph_import_files_total", "Files of imports that ended", ("source", "outcome"), registry=REGISTRY
)
# Bytes of files that became images.
import_bytes = Counter("heliograph_import_bytes_total", "Bytes fetched by imports", ("source",), registry=REGISTRY)
# How often requests of a credential had to pause: quota (the provider or we said so), outage (it cannot be reached).
import_waits = Counter(
    "heliograph_import_waits_total", "Pauses of imports for their provider", ("source", "reason"), registry=REGISTRY
)

# Analyses that ended, by profile and outcome: completed, failed.
analyses = Counter("heliograph_analyses_total", "Analyses that ended", ("profile", "outcome"), registry=REGISTRY)
# Analyses that completed, by where the answer came from: api (a model was asked), cache.
analysis_answers = Counter(
    "heliograph_analysis_answers_total", "Completed analyses by source", ("profile", "source"), registry=REGISTRY
)
# Calls to vision models by outcome: answered, failed (not paid), unknown (perhaps paid).
analysis_calls = Counter(
    "heliograph_analysis_calls_total", "Calls to vision models", ("profile", "model", "outcome"), registry=REGISTRY
)
# Seconds that a vision model took to answer.
analysis_call_seconds = Histogram(
    "heliograph_analysis_call_seconds",
    "Time of calls to vision models",
    ("model",),
    buckets=(0.5, 1, 2, 4, 8, 15, 30, 60, 120),
    registry=REGISTRY,
)
# Tokens by kind: input, output.
analysis_tokens = Counter(
    "heliograph_analysis_tokens_total", "Tokens of vision models", ("profile", "model", "kind"), registry=REGISTRY
)
# US dollars, of calls whose price is known.
analysis_cost = Counter(
    "heliograph_analysis_cost_dollars_total", "Cost of vision models", ("profile", "model"), registry=REGISTRY
)
# Age of the oldest analysis that is queued, for whatever it waits; 0 when there is none.
analysis_oldest_age = Gauge(
    "heliograph_analysis_oldest_age_seconds", "Age of the oldest queued analysis", registry=REGISTRY
)
# How often an analysis had to wait: credentials, rate_limit, outage, budget.
analysis_waits = Counter("heliograph_analysis_waits_total", "Analyses put back to wait", ("reason",), registry=REGISTRY)
# 1 where this analyzer has credentials that were not refused.
analysis_configured = Gauge(
    "heliograph_analysis_configured", "Whether this analyzer has credentials", registry=REGISTRY
)
# 1 while calls to the vision model are paused, for an outage, a rate limit or a spent budget.
analysis_paused = Gauge("heliograph_analysis_paused", "Whether analyses are paused", registry=REGISTRY)

# Words that wait for a picture, by lane: under_way, asked, top, vocabulary, recent, rest.
word_queue_length = Gauge("heliograph_word_queue_length", "Words that wait for a picture", ("lane",), registry=REGISTRY)
# Words that have a picture.
word_images = Gauge("heliograph_word_images", "Words with a picture", registry=REGISTRY)
# Requests charged to a photo provider in the last hour, over all importers, and how many may be.
word_budget_used = Gauge(
    "heliograph_word_budget_used", "Requests to a photo provider in the last hour", ("provider",), registry=REGISTRY
)
word_budget_limit = Gauge(
    "heliograph_word_budget_limit", "Requests to a photo provider allowed per hour", ("provider",), registry=REGISTRY
)
# 1 while requests to a photo provider are paused: no key, a refused one, a rate limit or an outage.
word_paused = Gauge(
    "heliograph_word_paused", "Whether requests to a photo provider are paused", ("provider",), registry=REGISTRY
)
# Requests of this importer to photo providers by task (search, photo, download) and outcome: found, nothing, done, missing,
# failed, rate_limited, refused (the key), rejected (the request).
word_requests = Counter(
    "heliograph_word_requests_total", "Requests to photo providers", ("provider", "task", "outcome"), registry=REGISTRY
)
# What a photo provider said last of its own hourly limit, by its headers.
photo_provider_limit = Gauge(
    "heliograph_photo_provider_limit", "Hourly limit that a photo provider reports", ("provider",), registry=REGISTRY
)
photo_provider_remaining = Gauge(
    "heliograph_photo_provider_remaining",
    "Requests left in the hour that a photo provider reports",
    ("provider",),
    registry=REGISTRY,
)

# By StreamScaler: the replicas that its target is set to, those that the load asks for, the messages that wait or are being
# worked on, and of these the ones in hand. Only the operator that acts tells them.
operator_replicas = Gauge("heliograph_operator_replicas", "Replicas set", ("scaler",), registry=REGISTRY)
operator_wanted_replicas = Gauge(
    "heliograph_operator_wanted_replicas", "Replicas that the load asks for", ("scaler",), registry=REGISTRY
)
operator_backlog = Gauge(
    "heliograph_operator_backlog", "Messages that wait or are being worked on", ("scaler",), registry=REGISTRY
)
operator_in_flight = Gauge(
    "heliograph_operator_in_flight", "Messages that workers have in hand", ("scaler",), registry=REGISTRY
)
# Worker processes of the target that report, without those that stop: 0 beside replicas means that they cannot be heard.
operator_workers = Gauge("heliograph_operator_workers", "Worker processes that report", ("scaler",), registry=REGISTRY)
# 1 where the condition of a StreamScaler is True: Ready, Scaling, SignalLost, ConsumerMissing, ConsumerPaused, Saturated.
operator_condition = Gauge(
    "heliograph_operator_condition", "Whether a condition is True", ("scaler", "condition"), registry=REGISTRY
)
# Changes of replicas, by the term that decided and the direction: up, down.
operator_decisions = Counter(
    "heliograph_operator_decisions_total", "Changes of replicas", ("scaler", "term", "direction"), registry=REGISTRY
)
# 1 where this operator holds the Lease.
operator_leader = Gauge("heliograph_operator_leader", "Whether this operator acts", registry=REGISTRY)
# Looks at one StreamScaler, with what was done about it.
operator_tick_duration = Histogram(
    "heliograph_operator_tick_duration_seconds",
    "Time of one look at a StreamScaler",
    registry=REGISTRY,
    buckets=_REQUEST,
)
# Looks that failed by no known cause, by reason: error, timeout.
operator_tick_failures = Counter(
    "heliograph_operator_tick_failures_total", "Looks at a StreamScaler that failed", ("reason",), registry=REGISTRY
)
# Requests to the API server that failed, by call (scale, pods, write_status, ...) and reason: forbidden, unavailable,
# conflict, rejected.
operator_request_failures = Counter(
    "heliograph_operator_request_failures_total",
    "Failed requests to the API server",
    ("call", "reason"),
    registry=REGISTRY,
)


def observe(histogram: Histogram, seconds: float) -> None:
    """Records ``seconds``, with the current trace as exemplar where there is one."""
    trace_id = current_trace_id()
    histogram.observe(seconds, {"trace_id": trace_id} if trace_id else None)


def render(accept: str = "") -> tuple[bytes, str]:
    """All metrics and their content type: OpenMetrics with exemplars when ``accept`` asks for it, else plain text."""
    encode, content_type = choose_encoder(accept)
    return encode(REGISTRY), content_type


def names() -> frozenset[str]:
    """The name of every metric family, as dashboards write them (counters with ``_total``)."""
    return frozenset(
        f"{family.name}_total" if family.type == "counter" else family.name for family in REGISTRY.collect()
    )
