"""Reports, as `make lab`, `make rehearse` and `make bench` print them."""
