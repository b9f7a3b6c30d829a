"""Read the offline log of Weights & Biases: protobuf records in the framing of LevelDB."""

import struct
import time
from collections.abc import Iterator
from pathlib import Path

from wandb.proto.wandb_internal_pb2 import Record

WRITTEN = 30  # seconds that the service may take to write the end of a run after its command has ended
BLOCK, HEADER, PREAMBLE = 32768, 7, 7
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


def read_records(run: Path) -> list[Record]:
    """Return the records of an ``offline-run-*`` folder of a finished run, once the last one is written."""
    deadline = time.monotonic() + WRITTEN
    while True:
        records = list(_written(run))
        if any(record.WhichOneof("record_type") == "exit" for record in records) or time.monotonic() > deadline:
            return records
        time.sleep(0.1)


def _written(run: Path) -> Iterator[Record]:
    (file,) = run.glob("run-*.wandb")
    content, position, parts = file.read_bytes(), PREAMBLE, b""
    assert content.startswith(b":W&B")
    while position + HEADER <= len(content):
        left = BLOCK - position % BLOCK
        if left < HEADER:  # a block ends in padding where no header fits
            position += left
            continue
        _, length, kind = struct.unpack("<IHB", content[position : position + HEADER])
        if position + HEADER + length > len(content):  # still being written
            return
        parts += content[position + HEADER : position + HEADER + length]
        position += HEADER + length
        if kind in (FULL, LAST):
            record = Record()
            record.ParseFromString(parts)
            parts = b""
            yield record
