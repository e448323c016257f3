"""``/v1/words`` and ``/v1/vocabulary``: words, who learns them, and the pictures that are found for them."""
