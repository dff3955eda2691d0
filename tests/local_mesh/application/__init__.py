"""The fake application that every container of the local mesh runs in place of its image."""
