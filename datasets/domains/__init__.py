"""The ``domains`` data set: the same kind of music in several kinds of sound, rendered or recorded."""
