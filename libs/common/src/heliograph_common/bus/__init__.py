"""NATS JetStream: the connection, publishing, pulling with slots, provisioning. No other room names the nats package."""
