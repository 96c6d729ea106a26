"""Reads a compressed-tensors directory by the format's definition, without any code of Octavo's.

Prints one JSON object: for each quantized module of the layers asked for, its format, shape and the SHA-256 of its
dequantized float32 weights. Usage: read_compressed_tensors.py DIRECTORY LAYER...
"""
import hashlib
import json
import os
import re
import struct
import sys

WIDTH = {"I8": ("b", 1), "I32": ("i", 4), "I64": ("q", 8), "F32": ("f", 4), "F16": ("e", 2), "BF16": ("H", 2), "F8_E4M3": ("B", 1)}


def read_tensors(directory):
    with open(os.path.join(directory, "model.safetensors.index.json")) as f:
        index = json.load(f)
    tensors, total = {}, 0
    for file in sorted(set(index["weight_map"].values())):
        with open(os.path.join(directory, file), "rb") as f:
            length = struct.unpack("<Q", f.read(8))[0]
            header = json.loads(f.read(length))
            data = f.read()
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            assert index["weight_map"][name] == file, name
            begin, end = entry["data_offsets"]
            total += end - begin
            tensors[name] = (entry["dtype"], entry["shape"], data[begin:end])
    assert set(tensors) == set(index["weight_map"])
    assert total == index["metadata"]["total_size"]
    return tensors


def numbers(tensor):
    dtype, shape, data = tensor
    code, width = WIDTH[dtype]
    values = struct.unpack(f"<{len(data) // width}{code}", data)
    if dtype == "BF16":
        values = struct.unpack(f"<{len(values)}f", struct.pack(f"<{len(values)}I", *(v << 16 for v in values)))
    return values


def unpack(tensor, bits, count):
    """Rows of words, low bits first, each code 2^(bits-1) above its value."""
    rows, words = tensor[1]
    values = numbers(tensor)
    per, mask, above = 32 // bits, (1 << bits) - 1, 1 << (bits - 1)
    assert words == (count + per - 1) // per
    shifts = range(0, 32, bits)
    return [[((word >> shift) & mask) - above for word in values[r * words:(r + 1) * words] for shift in shifts][:count] for r in range(rows)]


def e4m3(byte):
    exponent, mantissa = (byte >> 3) & 15, byte & 7
    value = mantissa * 2.0 ** -9 if exponent == 0 else (1 + mantissa / 8) * 2.0 ** (exponent - 7)
    return -value if byte & 128 else value


def matches(pattern, module):
    if pattern.startswith("re:"):
        return re.match(pattern[3:], module) is not None
    return pattern == module


def group_of(config, module):
    if any(matches(p, module) for p in config["ignore"]):
        return None
    groups = list(config["config_groups"].values())
    for group in groups:
        if any(matches(t, module) for t in group["targets"]):
            return group
    return next((g for g in groups if "Linear" in g["targets"]), None)


def dequantize(tensors, module, group):
    weights = group["weights"]
    bits, packed = weights["num_bits"], group["format"] == "pack-quantized"
    if packed:
        rows, columns = numbers(tensors[module + ".weight_shape"])
        codes = unpack(tensors[module + ".weight_packed"], bits, columns)
        assert len(codes) == rows
    else:
        dtype, (rows, columns), _ = tensors[module + ".weight"]
        assert dtype == ("I8" if weights["type"] == "int" else "F8_E4M3"), dtype
        flat = numbers(tensors[module + ".weight"])
        if weights["type"] == "float":
            table = [e4m3(byte) for byte in range(256)]
            flat = [table[byte] for byte in flat]
        codes = [flat[r * columns:(r + 1) * columns] for r in range(rows)]
    size = weights["group_size"] if weights["strategy"] == "group" else columns
    count = columns // size
    assert tensors[module + ".weight_scale"][1] == [rows, count], module
    scales = numbers(tensors[module + ".weight_scale"])
    zeros = [0] * (rows * count)
    if not weights["symmetric"]:
        tensor = tensors[module + ".weight_zero_point"]
        if packed:
            # Along the outputs: unpack the transpose.
            words, groups = tensor[1]
            values = numbers(tensor)
            per, mask, above = 32 // bits, (1 << bits) - 1, 1 << (bits - 1)
            assert (words, groups) == ((rows + per - 1) // per, count)
            zeros = [((values[r // per * groups + g] >> (bits * (r % per))) & mask) - above for r in range(rows) for g in range(groups)]
        else:
            assert tensor[1] == [rows, count]
            zeros = numbers(tensor)
    else:
        assert module + ".weight_zero_point" not in tensors
    digest = hashlib.sha256()
    for r in range(rows):
        row = []
        for g in range(count):
            zero, scale = zeros[r * count + g], scales[r * count + g]
            row += [(code - zero) * scale for code in codes[r][g * size:(g + 1) * size]]
        digest.update(struct.pack(f"<{columns}f", *row))
    return {"format": group["format"], "rows": rows, "columns": columns, "sha256": digest.hexdigest()}


def main():
    directory, layers = sys.argv[1], sys.argv[2:]
    with open(os.path.join(directory, "config.json")) as f:
        config = json.load(f)["quantization_config"]
    assert config["quant_method"] == "compressed-tensors" and config["quantization_status"] == "compressed"
    tensors = read_tensors(directory)
    modules = {}
    for name in tensors:
        module, _, part = name.rpartition(".")
        wanted = any(f".layers.{layer}." in name for layer in layers)
        if wanted and part == "weight_scale":
            group = group_of(config, module)
            assert group is not None, f"{module} is quantized but ignored"
            assert group["format"] == config["format"] or config["format"] == "mixed-precision"
            modules[module] = dequantize(tensors, module, group)
    for name, (dtype, shape, _) in tensors.items():
        module, _, part = name.rpartition(".")
        if "_proj" in module and part == "weight" and module + ".weight_scale" not in tensors:
            assert group_of(config, module) is None, f"{module} is not quantized but should be"
    json.dump({"format": config["format"], "modules": modules}, sys.stdout)


main()
