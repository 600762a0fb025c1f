"""What the benchmarks' command lines share."""

import argparse

__all__ = ["count", "parser"]


def parser(description):
    """A parser whose help is a module's docstring, with the examples in it."""
    return argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)


def count(text):
    """A whole number of 1 or more, for argparse."""
    if not text.isdecimal() or len(text) > 9 or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text[:80]!r} is not a whole number from 1 to 999999999")
    return int(text)
