"""The operator: scales workers by the lag of the consumers that feed them, as ``StreamScaler`` resources say."""
