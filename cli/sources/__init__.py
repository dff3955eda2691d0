"""Where commands read from: Google Cloud, the clusters, terraform's state, the synthesized JSON."""
