"""Templates of pages that need no network, all in one style."""

__all__ = ["page_template"]


def page_template(name, *, package="comparison", **filters):
    """A Jinja template by its file's name.

    Parameters
    ----------
    name : str
        A ``.html``, in which what is put in is escaped, or a ``.md``.
    package : str
        The part of this package that has it in its ``templates``; what it includes may be the comparison's.
    **filters
        Functions for the template, by their names.

    Returns
    -------
    jinja2.Template
    """
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=ChoiceLoader([PackageLoader(f"gluon_cnn.{part}") for part in (package, "comparison")]),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(filters)
    return environment.get_template(name)
