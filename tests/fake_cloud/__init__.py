"""A fake of the few Google Cloud APIs that the stacks and scripts call. For tests.

It keeps state, its operations take time, and it rejects what the real APIs reject. An
unknown request gets status 501, and is recorded. It listens on one address, by default a
loopback address.
"""
