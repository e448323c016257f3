"""The ``StreamScaler`` resources of one namespace, as the API server has them."""
