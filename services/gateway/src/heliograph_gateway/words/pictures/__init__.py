"""The picture of a word: shown, asked for, exchanged, named, forgotten."""
