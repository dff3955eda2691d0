"""The four stacks, and the one function that wires them."""
