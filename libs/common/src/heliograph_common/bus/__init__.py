"""NATS JetStream: the connection, publishing, pulling with slots, provisioning. Only this package imports nats."""
