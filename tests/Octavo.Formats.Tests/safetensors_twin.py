"""A second reader and writer of safetensors, from the format's description alone: struct, json, hashlib."""

import hashlib
import json
import struct
import sys

BITS = {
    "BOOL": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32,
    "C64": 64, "F64": 64, "I64": 64, "U64": 64,
}


def read(path):
    with open(path, "rb") as file:
        content = file.read()
    (length,) = struct.unpack_from("<Q", content)
    header = json.loads(content[8 : 8 + length].decode("utf-8"))
    data = content[8 + length :]
    metadata = header.pop("__metadata__", {})
    tensors, covered = {}, 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, end = entry["data_offsets"]
        count = 1
        for dimension in entry["shape"]:
            count *= dimension
        assert begin == covered and (end - begin) * 8 == count * BITS[entry["dtype"]], name
        covered = end
        digest = hashlib.sha256(data[begin:end]).hexdigest()
        tensors[name] = {"dtype": entry["dtype"], "shape": entry["shape"], "sha256": digest}
    assert covered == len(data)
    print(json.dumps({"metadata": metadata, "tensors": tensors}))


def write(path):
    values = struct.pack("<6e", 0.0, -1.5, 65504.0, 1 / 3, float("inf"), 2.0**-24)
    header = {
        "__metadata__": {"by": "python é"},
        "w": {"dtype": "F16", "shape": [2, 3], "data_offsets": [0, 12]},
        "flag": {"dtype": "BOOL", "shape": [], "data_offsets": [12, 13]},
    }
    encoded = json.dumps(header).encode("utf-8")
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(encoded)) + encoded + values + b"\x01")


{"read": read, "write": write}[sys.argv[1]](sys.argv[2])
