"""A multi-region mesh on one machine: real control planes and proxies, without containers or a cloud.

The entry point is `LocalMesh`, which must run inside `isolation`. It needs Linux.
"""
