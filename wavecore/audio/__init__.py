"""Audio: arrays in, arrays out.

``mulaw``        waveforms to 256 codes and back
``sound``        samples with their rate, which play in a notebook
``files``        reading, streaming, finding and writing audio files
``resample``     other sampling rates, whole or streamed
``spectra``      Fourier, mel and constant-Q spectra
``pitch``        fundamental frequency, and the arithmetic of pitch
``fundamental``  phase and pitch of a sound whose note is known
``note_level``   level of the loud part of a note
``dc``           removal of an offset
``output``       files that appear whole or not at all
``checks``       validation of arrays and rates

``files`` is made of ``finding`` (paths), ``mpeg`` (MP3 without a length) and ``writing``.
Nothing is imported here: ``mulaw`` works where only NumPy and torch are installed.
"""
