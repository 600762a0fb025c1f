"""From a recipe to a trained network, and back to where a run was stopped."""
