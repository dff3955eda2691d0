"""The operator's command, `mesh`: what Terraform can't tell, as it ends when objects exist."""
