"""`mesh picture`: the topology of an environment, drawn from the synthesized JSON."""
