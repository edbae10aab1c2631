"""The ledger's words in English and Italian. Rules give ids and values (`ledger.domain.phrases`); here they become
sentences, where somebody reads them and nowhere before: who only names a language imports no more than that."""

from typing import TYPE_CHECKING, Any

from .entries import DEFAULT, LANGUAGES, Language

if TYPE_CHECKING:
    from .catalogue import remedy, sentence, told

__all__ = ["DEFAULT", "LANGUAGES", "Language", "remedy", "sentence", "told"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import catalogue

    return getattr(catalogue, name)
