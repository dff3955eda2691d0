"""The failover budget: repeated measurements of every fault, with limits, for docs/failover.md.

An open-loop load generator sends requests from a client pod's sidecar and from a fake load balancer while a fault
lasts (`load`). Faults are in `faults`, and what a client saw is evaluated in `measurement`. Each run
is appended to a file of JSON lines (`results`); `run` does the runs that are missing there, `page` writes the page, and
`limits` has the budget.
"""
