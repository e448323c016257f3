"""What the double was asked: one entry a request that was accepted."""

from __future__ import annotations

from heliograph_local.doubles.records import Entry


class Call(Entry, kw_only=True):
    """``picture`` is the digest of the first picture (``pictures.digest``), ``text`` all that was said with it. ``status``
    is that of the answer, 0 before it; tokens are those that OpenAI would charge, if the caller got the answer or not;
    ``finished``: it was sent to its end to a caller who was still there."""

    call: str
    model: str
    picture: str
    detail: str
    schema_name: str
    text: str
    status: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    finished: bool = False

    @property
    def charged(self) -> bool:
        """Whether it costs something."""
        return self.input_tokens > 0
