"""Links to folders of providers, read without asking the provider. Pure: the gateway refuses what is no link at once."""
