"""Training: the compiled engine, schedules, callbacks, and the recipe that puts them together."""
