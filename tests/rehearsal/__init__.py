"""A whole deploy on one machine, without a cloud: real terraform, real Kubernetes, a simulated Google Cloud."""
