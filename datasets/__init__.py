"""Music to train on: from notes or from recordings to shards of mu-law codes.

From notes, the same tunes in every domain, sample for sample::

    from wavecore.datasets.scores import melodies
    from wavecore.datasets.domains import DomainsDataset, build_domains

    found = melodies("pop909", label="POP909", licence="MIT")
    build_domains(found, out="data/domains", seconds=9000)
    dataset = DomainsDataset.open("data/domains")
    crop = dataset.paired_crop(rng, "whistle", "strings", "train", 16_000, 800)

From recordings, one subfolder per domain::

    from wavecore.datasets.domains import from_recordings

    from_recordings("my recordings", "data/mine")

The modules, from the notes down to the shards:

==============  ===========================================================
scores          melodies of MIDI folders and of music21's chorales; splits
tunes           four old tunes as notes
excerpts        which passages, in which key, tempo and octave
soundfont       notes to sound through FluidSynth
whistle         notes to people whistling
build           every excerpt in every domain
recordings      audio files to the same layout
shards          resumable, atomic writing
manifest        ``manifest.json``: what is where, and whence
domains         reading: crops, paired crops, whole pieces
==============  ===========================================================

A data set is a folder: ``manifest.json`` and one ``.npy`` file of uint8 mu-law
codes per domain and split.  Splits go by the hash of the tune, so excerpts and
transpositions of one tune are never on both sides.  Octaves: the whistle plays
one or two octaves above the notes; ``Slice.octave`` keeps by how many, and
``PairedCrop.octave_shift`` is the way from the source to the target.

Reading needs NumPy and torch alone.  Rendering needs ``pip install
'wavecore[data]'``, the FluidSynth library and a SoundFont (on Debian and Ubuntu:
``apt install libfluidsynth3 fluid-soundfont-gm``).
"""
