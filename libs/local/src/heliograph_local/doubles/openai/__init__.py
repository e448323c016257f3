"""The test double of OpenAI's API: the Responses API, Chat Completions and the list of models. What it is asked and what it
answers is checked by the types of OpenAI's own SDK; what it says about a picture is made up, and says so."""

from heliograph_local.doubles.openai.app import KEY, OpenAIDouble
from heliograph_local.doubles.openai.calls import Call
from heliograph_local.doubles.openai.pictures import digest

__all__ = ["KEY", "Call", "OpenAIDouble", "digest"]
