"""`mesh repair`: what an interrupted terraform has lost, found again."""
