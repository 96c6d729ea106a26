"""Writes the files that PytorchFileTests reads. Needs PyTorch (Debian's python3-torch 1.13 wrote those that are here)."""
import collections
import os
import torch


class Command:
    def __reduce__(self):
        return (os.system, ("true",))


def tensors():
    base = torch.arange(24, dtype=torch.float32) / 2
    tied = torch.arange(6, dtype=torch.float32).reshape(2, 3)
    return collections.OrderedDict([
        ("float32", base.reshape(4, 6)),
        ("float16", base.reshape(4, 6).half()),
        ("bfloat16", base.reshape(4, 6).bfloat16()),
        ("float64", base.reshape(4, 6).double()),
        ("int64", torch.arange(5)),
        ("view", base[6:12]),
        ("transposed", base.reshape(4, 6).t()),
        ("strided", base.reshape(4, 6)[:, ::2]),
        ("parameter", torch.nn.Parameter(tied)),
        ("tied", tied),
        ("empty", torch.zeros(0, 3)),
        ("scalar", torch.tensor(7.5)),
    ])


torch.save(tensors(), "archive.bin")
torch.save(tensors(), "legacy.bin", _use_new_zipfile_serialization=False)
torch.save({"epoch": 3, "lr": 0.1, "names": ["a", ("b", None)], "state_dict": tensors()}, "wrapped.bin")
torch.save(tensors(), "protocol4.bin", pickle_protocol=4)
torch.save(torch.nn.Linear(2, 2).state_dict(), "module.bin")
torch.save({"weight": torch.zeros(2), "run": Command()}, "hostile.bin")
torch.save({"weight": torch.zeros(2), "run": Command()}, "hostile-legacy.bin", _use_new_zipfile_serialization=False)
