"""The ledger's words in English and Italian. Rules give ids and values (`ledger.domain.phrases`); here they become
sentences, where somebody reads them and nowhere before."""

from .catalogue import remedy, sentence, told
from .entries import DEFAULT, LANGUAGES, Language

__all__ = ["DEFAULT", "LANGUAGES", "Language", "remedy", "sentence", "told"]
