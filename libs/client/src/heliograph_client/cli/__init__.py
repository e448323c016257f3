"""The ``heliograph`` command. ``main.py`` is the door; each command is a module, loaded when it is called."""
