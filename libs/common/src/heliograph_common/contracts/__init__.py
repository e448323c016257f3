"""What services say to each other: subjects, streams and consumers as data, and message models. Does no I/O."""
