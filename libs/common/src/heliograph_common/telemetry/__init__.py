"""What a service tells of itself: traces, metrics and logs. Names live here and nowhere else. Knows no database, bus or
object store; all layers above import it."""
