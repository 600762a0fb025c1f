"""What a network has learned: its layers, where they look, what excites them, and where it errs, as arrays, figures and
a page. The functions of figures, and ``write_page``, are imported when they are first used."""

import importlib

_MODULES = {
    "page": ["write_page"],
    "figures.attribution": ["reasons"],
    "figures.errors": ["confusion_matrix", "shares_by_class", "trust"],
    "figures.excitation": ["strongest_images", "what_channels_answer_to"],
    "figures.filters": ["drawn_filters", "norms", "orientation"],
    "figures.maps": ["class_maps", "feature_maps"],
    "figures.pictures": ["doubtful", "mistakes"],
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = sorted(_MODULE_OF)


def __getattr__(name):
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
