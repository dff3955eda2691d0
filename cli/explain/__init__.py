"""`mesh explain`: the path of a request, hop by hop, from the configuration of the proxies that it passes."""
