"""What a pickle would do, read before it is run: only the opcodes of text, numbers, lists and arrays, nothing shared.

An unpickler that calls nothing can still be made to fill the memory: 14 bytes that file a value under number 2**28 cost
CPython 3 GB, and thirty lists that hold the one before twice are a billion entries to whoever walks through them.
"""

import pickle
import pickletools

TEXT = {"STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"}
BYTES = {"BINBYTES", "SHORT_BINBYTES", "BINBYTES8"}
NUMBERS = {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"}
CONSTANTS = {"NONE", "NEWTRUE", "NEWFALSE", "EMPTY_TUPLE"}
CALLS = {"GLOBAL", "STACK_GLOBAL"}
ATOMS = TEXT | BYTES | NUMBERS | CONSTANTS | CALLS
CONTAINERS = {"MARK", "EMPTY_LIST", "EMPTY_DICT", "LIST", "DICT", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"}
CONTAINERS |= {"APPEND", "APPENDS", "SETITEM", "SETITEMS", "BUILD"}
FILED = {"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"}
FETCHED = {"GET", "BINGET", "LONG_BINGET"}
MADE = "REDUCE"  # arrays, dtypes, byte strings: of these only a dtype is used twice in a file that numpy wrote
KNOWN = ATOMS | CONTAINERS | FILED | FETCHED | {MADE, "PROTO", "FRAME", "STOP"}
MOST_SHARED = 16


def check(content: bytes, most_shared: int | None = MOST_SHARED) -> None:
    """Raise UnpicklingError where a pickle has an opcode or a use of its memory that no file of arrays needs.

    Refused: any opcode that is not in KNOWN, a memory number above the opcodes so far, a list, dictionary or tuple that
    is used twice, and more than `most_shared` further uses of what was made by a call (None: any number).
    """
    kinds: dict[int, str] = {}
    before, num_shared, count = "", 0, 0
    for count, (opcode, argument, position) in enumerate(pickletools.genops(content)):
        name = opcode.name
        if name not in KNOWN:
            raise pickle.UnpicklingError(f"opcode {name} at byte {position}, which no file of arrays needs; refused")
        if name in FILED:
            number = len(kinds) if name == "MEMOIZE" else argument
            if not 0 <= number <= count:
                raise pickle.UnpicklingError(f"memory number {number} at byte {position}, in opcode {count}; refused")
            kinds[number] = before
            continue  # what was filed may be filed again
        if name in FETCHED:
            kind = kinds.get(argument)
            if kind is None:
                raise pickle.UnpicklingError(f"memory number {argument} at byte {position} is empty")
            num_shared += kind == MADE
            if kind not in ATOMS and (kind != MADE or (most_shared is not None and num_shared > most_shared)):
                raise pickle.UnpicklingError(f"a container is used twice (byte {position}); refused")
            name = kind
        before = name
