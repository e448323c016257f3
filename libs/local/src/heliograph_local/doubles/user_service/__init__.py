"""The double of a user service: the server of an application, which keeps what people have eaten. Each entry that it is sent
is checked by a strict model, and kept once."""

from heliograph_local.doubles.user_service.app import TOKEN, UserServiceDouble
from heliograph_local.doubles.user_service.entries import Entry

__all__ = ["TOKEN", "Entry", "UserServiceDouble"]
