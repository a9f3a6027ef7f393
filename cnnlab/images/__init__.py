"""From image files to pixels.

Nothing here imports more of cnnlab than its errors, since every decoding process imports it.
"""
