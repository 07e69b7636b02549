"""Names of CIFAR-10's classes as people write them, and their numbers."""

import re

import numpy as np

from cifar102.cifar import CLASS_NAMES

ALIASES = {"car": "automobile", "plane": "airplane", "aeroplane": "airplane"}  # nothing else in CIFAR-10 is meant
NUMBERED = re.compile(r"(?:label|class|cls|c)?[ _\-]?(\d+)", re.IGNORECASE)  # LABEL_3 is Hugging Face's
BOTH = re.compile(r"(\d)[ _\-:.]+([a-z]+)")  # 3_cat, "3: cat", where both mean the same class


def class_numbers(texts: np.ndarray, where: str) -> np.ndarray:
    """Return class ids int64 (n,) from CIFAR-10's class names or numbers as text (`LABEL_3`); ValueError at another.

    Case and blanks around a name do not count; car, plane and aeroplane are automobile and airplane.
    """
    known = {text: class_number(text) for text in {str(text) for text in texts}}
    if unknown := sorted(text for text, number in known.items() if number is None):
        row = next(k for k, text in enumerate(texts) if str(text) == unknown[0])
        found = f"{unknown[0][:40]!r} in row {row}" if unknown[0].strip() else f"an empty cell in row {row}"
        raise ValueError(
            f"{where}: found {found}; expected class ids 0 to 9 or CIFAR-10's names, {', '.join(CLASS_NAMES)}"
        )
    return np.array([known[str(text)] for text in texts], dtype=np.int64)


def class_number(text: str) -> int | None:
    """Return the number that a class's name or number stands for, or None."""
    name = text.strip().lower()
    name = ALIASES.get(name, name)
    if name in CLASS_NAMES:
        return CLASS_NAMES.index(name)
    if (both := BOTH.fullmatch(name)) and both[2] in CLASS_NAMES and int(both[1]) == CLASS_NAMES.index(both[2]):
        return int(both[1])
    match = NUMBERED.fullmatch(name)
    return int(match[1]) if match and len(match[1]) < 4 else None


def class_order(names: object, where: str) -> np.ndarray:
    """Return CIFAR-10's numbers of ten class names, int64 (10,); ValueError where they are no other order of them."""
    names = list(names) if isinstance(names, list | tuple | np.ndarray) else [names]
    numbers = [class_number(str(name)) for name in names]
    if sorted(number for number in numbers if number is not None) != list(range(10)) or len(numbers) != 10:
        raise ValueError(f"{where}: label names {names}; expected CIFAR-10's: {', '.join(CLASS_NAMES)}")
    return np.array(numbers)
