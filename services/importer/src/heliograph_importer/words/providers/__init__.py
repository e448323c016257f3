"""Where pictures of words come from."""
