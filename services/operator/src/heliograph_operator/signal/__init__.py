"""What NATS and the workers tell about the consumers of a scaler."""
