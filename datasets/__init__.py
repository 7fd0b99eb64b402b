"""Data sets: music and single notes, rendered, recorded or published, as codes and notes to train on.

Music in several kinds of sound, the same passages in each, sample for sample::

    from wavecore.datasets.domains.build import build_domains
    from wavecore.datasets.domains.reader import DomainsDataset
    from wavecore.datasets.scores import melodies

    build_domains(melodies("pop909", label="POP909", licence="MIT"), out="data/domains", seconds=9000)
    dataset = DomainsDataset.open("data/domains")
    crop = dataset.paired_crop(rng, "whistle", "strings", "train", n_samples=16_000, hop=800)

Recordings, one subfolder per domain::

    from wavecore.datasets.domains.recordings import from_recordings

    from_recordings("my recordings", "data/mine")

Single notes, rendered from a SoundFont or taken from NSynth as it is published::

    from wavecore.datasets.notes.build import build_notes

    dataset = build_notes("data/notes", jobs=2)
    dataset.notes("train")[0], dataset.codes("train")[0]

====================================  =========================================================================
package or module                     contents
====================================  =========================================================================
`domains`                             music in several kinds of sound: planning, rendering, importing, reading
`notes`                               single notes: rendering, measuring, reading and writing
`nsynth`                              NSynth's published containers: reading, checking, importing
`synths`                              scores to sound: SoundFonts, synthesized whistling
`scores`, `chorale_corpus`, `tunes`   melodies of MIDI folders, of music21's chorales, and four old tunes
`songs`, `chorales`                   data sets of whole pieces and of four-voice chorales, for composers
`splits`, `storage`, `workers`        which piece is in which split; files; processes
====================================  =========================================================================

A data set is a folder with ``manifest.json``. Splits go by the hash of the tune, so that excerpts and transpositions of
one tune are never in two splits. The whistle lies one or two octaves above the notes; ``Slice.octave`` records by how
many, and ``PairedCrop.octave_shift`` is the interval from the source to the target.

Reading needs NumPy and torch alone; `notes` needs NumPy alone. Rendering, music21's chorales and TFRecord files need
``pip install 'wavecore[data]'``; rendering also the FluidSynth library and a SoundFont (on Debian and Ubuntu: ``apt
install libfluidsynth3 fluid-soundfont-gm``).
"""
