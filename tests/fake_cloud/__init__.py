"""An server of the few Google Cloud APIs that the stacks and scripts call. For tests.

It keeps state, its operations take time, and it refuses what the real ones refuse and
people trip over. What it doesn't know it answers with 501, and remembers. It listens on
one address, a loopback one unless it is told otherwise.
"""
