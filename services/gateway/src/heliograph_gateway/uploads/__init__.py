"""The ways in which a picture is uploaded, each in a package of its own, and what they share."""
