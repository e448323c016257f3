"""Where the database and the bus meet: transactions that cause messages (outbox), messages handled once (inbox), workers,
and the reconciler. At-least-once delivery in, effects once out."""
