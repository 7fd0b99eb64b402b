"""NSynth in its published form: reading, checking, and importing it as a ``notes`` data set."""
