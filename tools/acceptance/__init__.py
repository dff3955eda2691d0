"""`make acceptance PROJECT=ID`: one small environment in a real project, from nothing to nothing, with a report."""
