"""What clients read and write: events, control frames, cursors and close codes. Pure."""
