"""The experiment language: the schema, the loader and its errors."""
