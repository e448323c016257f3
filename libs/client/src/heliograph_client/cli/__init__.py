"""The ``heliograph`` command. ``main.py`` is the entry point; each command is a module, loaded when it is called."""
