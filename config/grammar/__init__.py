"""The grammars of texts that others define. Each module says what is wrong with a text, or None, in `problem`."""
