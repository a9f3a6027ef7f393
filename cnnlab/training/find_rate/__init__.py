"""Finding a learning rate: the range test of an experiment with several seeds, and what it proposes."""
