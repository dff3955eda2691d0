"""A whole deploy on one machine, without a cloud: real terraform, real Kubernetes, an emulated Google Cloud."""
