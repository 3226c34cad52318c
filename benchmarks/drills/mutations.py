"""What is done to good inputs: bytes changed at random, values of JSON and parts of ONNX graphs, by a seed."""

from __future__ import annotations

import copy
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from drills.good import zipped
from moodfuse.runtime.graph_check import OPERATORS

_BYTES = (b"\0", b"\xff", b"\x7f", b"\x80", b"\r", b"\n", b'"', b",", b"\xef\xbb\xbf", b"{", b"[", b"<", b"=1+1")
_VALUES = (None, True, "", "x" * 5000, -1, 0, 1e308, float("nan"), float("inf"), 10**30, [], {}, [[]], "../a")
_NAMES = ("../a", "/etc/passwd", "a" * 500, "a/" * 100 + "a", "\\a\\b", "C:a", "a\n", "posts.csv/a")
_NUMBERS = (0, 1, -1, 2, 255, 65_536, 2**31 - 1, -(2**31), 2**40, 2**63 - 1)


def mutated(data: bytes, others: Sequence[bytes], random: Random) -> bytes:
    """Return bytes changed in one to eight ways; parts of `others` may stand in them then."""
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 3, 8))):
        at = random.randrange(len(changed) + 1)
        span = min(len(changed) - at, random.choice((1, 2, 4, 16, 256, 4096)))
        way = random.randrange(8)
        if way == 0 and changed:
            changed[at - 1] ^= 1 << random.randrange(8)
        elif way == 1:
            changed[at : at + span] = random.randbytes(span)
        elif way == 2:
            del changed[at : at + span]
        elif way == 3:
            changed[at:at] = changed[at : at + span] * random.choice((1, 2, 100))
        elif way == 4:
            other = random.choice(others)
            start = random.randrange(len(other) + 1)
            changed[at : at + span] = other[start : start + random.choice((4, 64, 4096))]
        elif way == 5:
            changed[at:at] = random.choice(_BYTES) * random.choice((1, 2, 1000))
        elif way == 6:
            width, order = random.choice((1, 2, 4, 8)), random.choice(("little", "big"))
            number = random.choice(_NUMBERS) % 256**width
            changed[at : at + width] = number.to_bytes(width, order)  # type: ignore[arg-type]
        else:
            del changed[at:]
    return bytes(changed)


def mutated_zip(data: bytes, others: Sequence[bytes], random: Random) -> bytes:
    """Return a zip of which bytes are changed or, as often, a file or a name, all sums being right."""
    if random.random() < 0.5:
        return mutated(data, others, random)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    name = random.choice(sorted(files))
    if random.random() < 0.7:
        files[name] = mutated(files[name], list(files.values()), random)
    else:
        strange = random.choice((*_NAMES, name.upper(), f"{name}/a"))
        files[strange] = files.pop(name)
    return zipped(files)


def mutated_bundle(files: Mapping[str, bytes], random: Random) -> dict[str, bytes]:
    """Return the files of a bundle of which one is changed, or two."""
    changed = dict(files)
    for _ in range(random.choice((1, 1, 2))):
        name = random.choice(sorted(changed))
        data = changed[name]
        if random.random() < 0.2:
            changed[name] = mutated(data, list(files.values()), random)
        elif name.endswith(".json"):
            changed[name] = _mutated_json(data, random)
        elif name.endswith(".onnx"):
            changed[name] = _mutated_graph(data, random)
    return changed


def _mutated_json(data: bytes, random: Random) -> bytes:
    """Return JSON of which a value is another, or one of another place, or gone."""
    try:
        whole = json.loads(data)
    except (ValueError, RecursionError):
        return data
    places = list(_places(whole))
    if not places:
        return data
    for holder, key in random.sample(places, min(len(places), random.choice((1, 1, 3)))):
        if random.random() < 0.2 and isinstance(holder, dict):
            holder.pop(key, None)
            continue
        other, at = random.choice(places)
        strange = random.random() < 0.7 or (isinstance(other, dict) and at not in other)
        holder[key] = random.choice(_VALUES) if strange else copy.deepcopy(other[at])
    return json.dumps(whole).encode()


def _places(value: Any) -> Any:
    """Yield every holder of a value within a value, and its key there."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield value, key
        yield from _places(inner)


def _mutated_graph(data: bytes, random: Random) -> bytes:
    """Return an ONNX graph with another operator, weight, width, name, number or node."""
    try:
        model = onnx.load_from_string(data)
    except Exception:  # what an earlier change has made of it
        return data
    graph = model.graph
    way = random.randrange(6)
    if way == 0:
        random.choice(graph.node).op_type = random.choice(sorted(OPERATORS))
    elif way == 1 and graph.initializer:
        held = random.choice(graph.initializer)
        values = numpy_helper.to_array(held).copy()
        strange = random.choice((float("nan"), 1e38, *_NUMBERS))
        with np.errstate(all="ignore"):
            values.ravel()[...] = np.array(strange).astype(values.dtype)
        held.CopyFrom(numpy_helper.from_array(values, held.name))
    elif way == 2:
        value = random.choice([*graph.input, *graph.output])
        value.type.tensor_type.shape.dim.add().dim_value = random.choice(_NUMBERS)
    elif way == 3:
        node = random.choice(graph.node)
        node.input[:] = random.sample(list(node.input), len(node.input) - random.randrange(2))
    elif way == 4:
        node = random.choice(graph.node)
        name = random.choice(("axis", "keepdims", "to", "axes"))
        node.attribute.append(helper.make_attribute(name, random.choice(_NUMBERS)))
    else:
        _broaden(graph, random)
    return model.SerializeToString()


def _broaden(graph: onnx.GraphProto, random: Random) -> None:
    """Have the graph's answer be as broad as a few bytes can say."""
    last = graph.node[-1]
    name = last.output[0]
    last.output[0] = "before"
    shape = np.array([random.choice((1, 100, 10**4, 10**5, 10**9)) for _ in range(random.choice((1, 2, 3)))])
    graph.initializer.append(numpy_helper.from_array(shape, "broad"))
    graph.node.append(helper.make_node(random.choice(("Expand", "Tile", "Reshape")), ["before", "broad"], [name]))
