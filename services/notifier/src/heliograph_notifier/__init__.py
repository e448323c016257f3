"""The notifier: fans events out to WebSocket and server-sent event clients, each seeing only what its token allows."""
