"""``/v1/quarantine``: messages that can never be published as they are, for administrators."""
