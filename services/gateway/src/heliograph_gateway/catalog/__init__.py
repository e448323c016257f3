"""Images as every feature shows and retries them: their JSON, what is missing of them, and how they are queued again."""
