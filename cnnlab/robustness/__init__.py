"""How easily networks are fooled: attacks on single images and on test sets."""
