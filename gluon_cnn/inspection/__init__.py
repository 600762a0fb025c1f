"""What a network has learned, as arrays: its layers, where they look, what excites them, and where it errs."""
