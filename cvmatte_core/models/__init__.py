"""The networks that estimate alpha: a catalogue of what there is, and one file a backend."""
