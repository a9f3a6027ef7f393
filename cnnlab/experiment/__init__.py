"""The words of an experiment file: what can be said, checked by type, and what it would cost. No TensorFlow here."""
