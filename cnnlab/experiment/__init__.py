"""The schema of experiment files, and shapes and costs of their networks. No TensorFlow here."""
