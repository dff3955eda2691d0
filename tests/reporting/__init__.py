"""Tables, as `make lab` and `make rehearse` print them."""
