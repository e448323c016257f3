"""Images that look like another one."""
