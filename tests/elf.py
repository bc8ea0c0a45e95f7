"""What a loader makes of a shared object."""

import io
from typing import Any

from elftools.elf.elffile import ELFFile

_PAGE = 4096


def image(content: bytes) -> list[tuple[dict[str, Any], bytes]]:
    """What is where in memory: each program header and its bytes, read by pyelftools.

    Zeros are in the place of what says where parts are in the file: the offsets of segments, which must fit their
    addresses, and of the table of sections, and how many there are. Both are in the first segment.
    """
    elf = ELFFile(io.BytesIO(content))
    headers = [dict(segment.header) for segment in elf.iter_segments()]
    blank = bytearray(content)
    for start, size in ((32, 16), (60, 4), *((elf["e_phoff"] + 56 * each + 8, 8) for each in range(len(headers)))):
        blank[start : start + size] = bytes(size)
    found = []
    for header in headers:
        offset = header.pop("p_offset")
        assert (header["p_vaddr"] - offset) % max(header["p_align"], _PAGE if header["p_type"] == "PT_LOAD" else 1) == 0
        found.append((header, bytes(blank[offset : offset + header["p_filesz"]])))
    return found
