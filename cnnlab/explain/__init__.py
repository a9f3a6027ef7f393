"""Why a trained network answers as it does: its layers, filters and decisions, as numbers and images."""
