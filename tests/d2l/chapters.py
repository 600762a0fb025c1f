"""Which chapters of the book run with the package: for each a function that calls the helpers as the chapter does.

The cells are this project's own. They have the chapter's calls, in its order and with its arguments, on less data.
``docs/chapters.md`` has the table of them, and ``test_chapters.py`` runs them.
"""

#: The editions, as the columns of that table begin, and whether they use ``mx.np`` arrays.
EDITIONS = {"gluonbook": False, "zh-v1": False, "en-0.7": True, "en-0.14": True, "zh-v2": True, "en-1.0": True}
FIRST = ("gluonbook", "zh-v1")
LATER = ("en-0.7", "en-0.14", "zh-v2")
SECOND = ("en-0.14", "zh-v2")
CLASSES = "en-1.0"

#: The function with the cells of each (chapter, edition).
CELLS = {}


def chapter(name, *editions):
    """Keep a function, which takes the helper package, as the cells of a chapter in these editions."""

    def keep(cells):
        for edition in editions:
            assert (name, edition) not in CELLS
            CELLS[name, edition] = cells
        return cells

    return keep
