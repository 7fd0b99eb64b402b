"""The ``notes`` data set: single notes of known pitch, rendered from a SoundFont or taken from NSynth."""
