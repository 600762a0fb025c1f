"""The figures of what a network has learned: one function a figure, which gives the arrays that it draws."""
