"""Keras callbacks of cnnlab and of users."""
