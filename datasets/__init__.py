"""Music and single notes to train on: from notes or from recordings to mu-law codes.

From notes, the same tunes in every domain, sample for sample::

    from wavecore.datasets.scores import melodies
    from wavecore.datasets.domains.reader import DomainsDataset, build_domains

    found = melodies("pop909", label="POP909", licence="MIT")
    build_domains(found, out="data/domains", seconds=9000)
    dataset = DomainsDataset.open("data/domains")
    crop = dataset.paired_crop(rng, "whistle", "strings", "train", 16_000, 800)

From recordings, one subfolder per domain::

    from wavecore.datasets.domains.reader import from_recordings

    from_recordings("my recordings", "data/mine")

Single notes, rendered from a SoundFont or taken from NSynth as it is published::

    from wavecore.datasets.notes.reader import NotesDataset
    from wavecore.datasets.notes.soundfont_notes import build_notes

    dataset = build_notes("data/notes", jobs=2)
    dataset.notes("train")[0], dataset.codes("train")[0]

The modules of music, from the notes down to the shards:

==============  ===========================================================
scores          melodies of MIDI folders and of music21's chorales; splits
chorales        grids of four voices; the benchmark's split
chorale_corpus  music21's four-voice chorales
songs           whole pieces of MIDI folders, all parts, with styles
tunes           four old tunes as notes
excerpts        which passages, in which key, tempo and octave
duets           a second voice of what accompanies a melody
players         one instrument, or sections that play not quite together
soundfont       notes to sound through FluidSynth
whistle         notes to people whistling
build           every excerpt in every domain
recordings      audio files to the same layout
shards          resumable, atomic writing
workers         several processes, without leftovers
manifest        ``manifest.json``: what is where, and whence
domains         reading: crops, paired crops, whole pieces
==============  ===========================================================

The modules of single notes:

=================  ========================================================
notes              reading the data set that training uses
notes_writer       writing it
soundfont_notes    rendering it from a SoundFont
programs           General MIDI programs to families, sources and splits
soundfont_samples  which programs share recordings
qualities          bright, dark, percussive, ...: measured
nsynth             NSynth as it is published: folder, archive, TFRecord
nsynth_note        what it says of a note
nsynth_filter      which notes are wanted
nsynth_containers  where notes and sounds are
nsynth_archive     tar archives, read and checked without unpacking
tfrecord           frames and checksums
crc32c             the checksum
tf_example         tf.train.Example in protobuf's wire format
pcm                16-bit WAV files as bytes
noise              which items are noise
nsynth_import      NSynth to the data set that training uses
nsynth_writer      writing the published layout
=================  ========================================================

A data set is a folder: ``manifest.json`` and one ``.npy`` file of uint8 mu-law
codes per domain and split.  Splits go by the hash of the tune, so excerpts and
transpositions of one tune are never on both sides.  Octaves: the whistle plays
one or two octaves above the notes; ``Slice.octave`` keeps by how many, and
``PairedCrop.octave_shift`` is the way from the source to the target.

Reading needs NumPy and torch alone; `notes` needs NumPy alone.  Rendering needs ``pip install
'wavecore[data]'``, the FluidSynth library and a SoundFont (on Debian and Ubuntu:
``apt install libfluidsynth3 fluid-soundfont-gm``).
"""
