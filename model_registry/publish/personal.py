"""Which columns look as if they were about a person: by their names, and by what their values look like.

A guess, for a warning and for masking: what it does not find may be personal all the same.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from model_runtime.manifest import Signature
from model_runtime.schema import Row

_NAMES = re.compile(
    r"^name$|(?:first|last|sur|given|family|middle|maiden|full|user|nick|customer|client|person|patient|employee)_?name$"
    r"|(?:^|_)(?:vor|nach)name|e_?mail|(?:^|_)iban|(?:^|_)(?:tele|mobile_?|cell_?)?phone|(?:^|_)(?:tel|mobile|fax|bic|dob)$"
    r"|(?:^|_)ssn|social_?security|passport|birth|street|address|(?:zip|post)_?code|postal"
    r"|(?:licen[cs]e|card|account|tax|national|insurance)_?(?:no|nr|num|number|id|plate)(?:$|_)"
    r"|(?:customer|client|person|patient|employee|user|member)_?(?:id|no|nr|number)$|^ip$|ip_?addr"
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NOT_WORD = re.compile(r"[^a-z0-9]+")

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]{2,}")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}\b")
_PHONE = re.compile(r"(?<!\w)(?:\+|00)\d[\d ()/.-]{6,}\d(?!\w)|(?<!\w)\(?0\d{2,4}\)?[ /-]\d[\d -]{4,}\d(?!\w)")
_CARD = re.compile(r"(?<!\d)(?:\d[ -]?){12,18}\d(?!\d)")
_FREE_TEXT_WORDS = 4
_LOOKED_AT = 1000


def personal_columns(signature: Signature, rows: Sequence[Row]) -> dict[str, str]:
    """By the name of each column that looks personal, why; at most 1,000 rows are looked at."""
    found: dict[str, str] = {}
    for index, feature in enumerate(signature.features):
        why = _of_values([row[index] for row in rows[:_LOOKED_AT]])
        if why is None and _NAMES.search(_NOT_WORD.sub("_", _CAMEL.sub("_", feature.name).lower())):
            why = "by its name"
        if why is not None:
            found[feature.name] = why
    return found


def is_free_text(values: Sequence[Any]) -> bool:
    """Whether some values are texts of several words, in which anything may stand."""
    return any(isinstance(value, str) and len(value.split()) >= _FREE_TEXT_WORDS for value in values[:_LOOKED_AT])


def _of_values(values: Sequence[Any]) -> str | None:
    for value in values:
        if isinstance(value, bool) or not isinstance(value, str | int):
            continue
        text = str(value)
        for what, looks in _KINDS.items():
            if looks(text):
                return f"its values look like {what}"
    return None


def _is_iban(text: str) -> bool:
    """ISO 13616: the check digits are right."""
    return any(_passes_mod_97(found.group().replace(" ", "")) for found in _IBAN.finditer(text))


def _passes_mod_97(iban: str) -> bool:
    return int("".join(str(int(each, 36)) for each in iban[4:] + iban[:4])) % 97 == 1


def _is_card(text: str) -> bool:
    """ISO/IEC 7812: the check digit is right (Luhn)."""
    return any(_passes_luhn(re.sub(r"\D", "", found.group())) for found in _CARD.finditer(text))


def _passes_luhn(digits: str) -> bool:
    doubled = (int(each) * (1 + place % 2) for place, each in enumerate(reversed(digits)))
    return len(set(digits)) > 1 and sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0  # noqa: PLR2004  # digits


_KINDS: Mapping[str, Any] = {
    "e-mail addresses": _EMAIL.search,
    "IBANs": _is_iban,
    "phone numbers": _PHONE.search,
    "card numbers": _is_card,
}
