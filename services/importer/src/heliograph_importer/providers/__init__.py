"""Who may ask which provider how often, and with which credential."""
