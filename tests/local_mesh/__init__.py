"""A multi-region mesh on one machine: real control planes, real proxies, no containers, no cloud.

What a user of this library starts is a `LocalMesh`; it must run inside `isolation`.
Needs Linux.
"""
