"""Pictures in an object store: the port, the layout of keys, and the adapter for S3. Only this package imports minio."""
