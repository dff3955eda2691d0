"""Holds calls of the fake cloud against Google's discovery documents.

google-api-python-client has a document for each version of an API: its methods, their
parameters, and the schemas of requests and responses. See
https://developers.google.com/discovery/v1/reference/apis.
"""
