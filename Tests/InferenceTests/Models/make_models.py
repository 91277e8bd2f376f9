# Copyright the ModelFleet authors.
# SPDX-License-Identifier: Apache-2.0
"""Makes the tiny models that the tests run. Needs `pip install onnx` in a virtual environment of its own."""

import pathlib

from onnx import TensorProto, checker, helper

here = pathlib.Path(__file__).parent
kinds = {
    "f32": TensorProto.FLOAT, "f64": TensorProto.DOUBLE, "i8": TensorProto.INT8, "u8": TensorProto.UINT8,
    "i16": TensorProto.INT16, "u16": TensorProto.UINT16, "i32": TensorProto.INT32, "u32": TensorProto.UINT32,
    "i64": TensorProto.INT64, "u64": TensorProto.UINT64, "flag": TensorProto.BOOL, "text": TensorProto.STRING,
    "f16": TensorProto.FLOAT16,
}


def save(name, nodes, inputs, outputs):
    graph = helper.make_graph(nodes, name, inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="modelfleet-tests")
    model.ir_version = 8
    checker.check_model(model)
    (here / f"{name}.onnx").write_bytes(model.SerializeToString())


value = helper.make_tensor_value_info
# Every element type through unchanged.
save(
    "identity",
    [helper.make_node("Identity", [k], [f"{k}_out"]) for k in kinds],
    [value(k, t, ["batch", 2]) for k, t in kinds.items()],
    [value(f"{k}_out", t, ["batch", 2]) for k, t in kinds.items()],
)
# Two inputs, two outputs, batched.
save(
    "arithmetic",
    [helper.make_node("Add", ["a", "b"], ["sum"]), helper.make_node("Mul", ["a", "b"], ["product"])],
    [value("a", TensorProto.FLOAT, ["batch", 3]), value("b", TensorProto.FLOAT, ["batch", 3])],
    [value("sum", TensorProto.FLOAT, ["batch", 3]), value("product", TensorProto.FLOAT, ["batch", 3])],
)
# A fixed first dimension: may not be batched.
save(
    "fixed",
    [helper.make_node("Neg", ["x"], ["y"])],
    [value("x", TensorProto.FLOAT, [2, 2])],
    [value("y", TensorProto.FLOAT, [2, 2])],
)
# A dynamic second dimension: only requests of the same width may share a batch. The largest of a row.
save(
    "wide",
    [helper.make_node("ReduceMax", ["x"], ["y"], axes=[1], keepdims=0)],
    [value("x", TensorProto.FLOAT, ["batch", "width"])],
    [value("y", TensorProto.FLOAT, ["batch"])],
)
# Strings through unchanged.
save(
    "text",
    [helper.make_node("Identity", ["words"], ["same"])],
    [value("words", TensorProto.STRING, ["batch"])],
    [value("same", TensorProto.STRING, ["batch"])],
)
# A free first dimension that is no batch: each number is added to those before it.
save(
    "running",
    [
        helper.make_node("Constant", [], ["axis"], value=helper.make_tensor("axis", TensorProto.INT64, [], [0])),
        helper.make_node("CumSum", ["x", "axis"], ["y"]),
    ],
    [value("x", TensorProto.FLOAT, ["n"])],
    [value("y", TensorProto.FLOAT, ["n"])],
)
# A graph: as many nodes and edges as there are, with names for both numbers and without. The values at both ends of each edge.
for name, nodes, edges in [("graph", "nodes", "edges"), ("unnamed", None, None)]:
    save(
        name,
        [helper.make_node("Gather", ["values", "edges"], ["ends"])],
        [value("values", TensorProto.FLOAT, [nodes, 2]), value("edges", TensorProto.INT64, [edges, 2])],
        [value("ends", TensorProto.FLOAT, [edges, 2, 2])],
    )
# An output that is a list of tensors.
save(
    "list",
    [helper.make_node("SplitToSequence", ["x"], ["parts"], axis=1)],
    [value("x", TensorProto.FLOAT, ["batch", 2])],
    [helper.make_tensor_sequence_value_info("parts", TensorProto.FLOAT, ["batch", 1])],
)
# A scalar beside rows.
save(
    "total",
    [helper.make_node("Neg", ["x"], ["y"]), helper.make_node("ReduceSum", ["x"], ["total"], keepdims=0)],
    [value("x", TensorProto.FLOAT, ["batch", 2])],
    [value("y", TensorProto.FLOAT, ["batch", 2]), value("total", TensorProto.FLOAT, [])],
)
