"""The classes that the English edition is written around since 1.0, on this package's loop and loader."""
