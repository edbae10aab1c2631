"""Which language somebody who asks over HTTP is answered in."""

from functools import lru_cache

from .entries import DEFAULT, LANGUAGES, Language


@lru_cache(maxsize=64)
def preferred(accepted: str) -> Language:
    """The language of ours that an Accept-Language header (RFC 9110) wants most; where it
    wants none of them, English."""
    wanted: list[tuple[float, int, Language]] = []
    for part in accepted.split(","):
        tag, _, weight = part.strip().lower().partition(";")
        name, _, given = weight.strip().partition("=")
        try:
            quality = float(given) if name.strip() == "q" else 1.0
        except ValueError:
            continue
        wanted += [(-quality, len(wanted), one) for one in LANGUAGES if tag.strip().partition("-")[0] == one
                   and 0 < quality <= 1]
    return min(wanted)[2] if wanted else DEFAULT
