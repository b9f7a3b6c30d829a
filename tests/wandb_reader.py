"""Read the offline log of Weights & Biases: protobuf records in the framing of LevelDB."""

import struct
from collections.abc import Iterator
from pathlib import Path

from wandb.proto.wandb_internal_pb2 import Record

BLOCK, HEADER, PREAMBLE = 32768, 7, 7
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


def read_records(run: Path) -> Iterator[Record]:
    """Yield the records of an ``offline-run-*`` folder."""
    (file,) = run.glob("run-*.wandb")
    content, position, parts = file.read_bytes(), PREAMBLE, b""
    assert content.startswith(b":W&B")
    while position + HEADER <= len(content):
        left = BLOCK - position % BLOCK
        if left < HEADER:  # a block ends in padding where no header fits
            position += left
            continue
        _, length, kind = struct.unpack("<IHB", content[position : position + HEADER])
        parts += content[position + HEADER : position + HEADER + length]
        position += HEADER + length
        if kind in (FULL, LAST):
            record = Record()
            record.ParseFromString(parts)
            parts = b""
            yield record
