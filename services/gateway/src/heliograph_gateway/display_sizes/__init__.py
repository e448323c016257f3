"""``/v1/settings/display-sizes``: the sizes that pictures are rendered in."""
