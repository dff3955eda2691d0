"""A fake of the API of Terraform Cloud and Terraform Enterprise. For tests.

It serves the calls of the real terraform: an organization, workspaces with locks and
states, uploads and runs. A run uses the uploaded files and nothing else. An unknown call
gets status 501, and is recorded. It is written from the public documentation of the API,
https://developer.hashicorp.com/terraform/cloud-docs/api-docs, and from the calls of
terraform's client; the texts of its errors are its own.
"""
