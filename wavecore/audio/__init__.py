"""Audio: arrays in, arrays out.

``mulaw``      waveforms to 256 codes and back
``files``      reading, streaming, finding and writing audio files
``resample``   other sampling rates, whole or streamed
``spectra``    Fourier, mel and constant-Q magnitudes
``pictures``   rainbowgrams and spectra as images
``pitch``      fundamental frequency, and the arithmetic of pitch
``loudness``   peak, root mean square, LUFS
``output``     files that appear whole or not at all
``checks``     what every array passes at the boundary

``files`` is made of ``finding`` (paths), ``mpeg`` (MP3 without a length) and
``writing``.  Nothing is imported here: ``mulaw`` works where only NumPy and
torch are installed.
"""
