"""A stand-in for the API of Terraform Cloud and Terraform Enterprise. For tests.

It knows what the real terraform asks of it: an organization, workspaces with locks and
states, uploads and runs, which it performs itself from what was uploaded and nothing
else. What it doesn't know it answers with 501, and remembers. It is written from the
public documentation of the API, https://developer.hashicorp.com/terraform/cloud-docs/api-docs,
and from what terraform's client sends; the wording of its refusals is its own.
"""
