"""The messages of onnx.proto, IR version 14 (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).

Every field is listed, so that an unknown one is known to be unknown.
"""

from __future__ import annotations

from auditkit.models.prechecks.protobuf import Field, Schema


def _one(name: str, message: str) -> Field:
    return Field(name, "message", message=message)


def _many(name: str, message: str) -> Field:
    return Field(name, "message", repeated=True, message=message)


def _int(name: str) -> Field:
    return Field(name, "int")


def _text(name: str) -> Field:
    return Field(name, "text")


_ENTRY = "StringStringEntryProto"
_METADATA = _many("metadata_props", _ENTRY)

SCHEMAS: dict[str, Schema] = {
    "ModelProto": {
        1: _int("ir_version"),
        2: _text("producer_name"),
        3: _text("producer_version"),
        4: _text("domain"),
        5: _int("model_version"),
        6: _text("doc_string"),
        7: _one("graph", "GraphProto"),
        8: _many("opset_import", "OperatorSetIdProto"),
        14: _METADATA,
        20: _many("training_info", "TrainingInfoProto"),
        25: _many("functions", "FunctionProto"),
        26: _many("configuration", "DeviceConfigurationProto"),
    },
    "GraphProto": {
        1: _many("node", "NodeProto"),
        2: _text("name"),
        5: _many("initializer", "TensorProto"),
        10: _text("doc_string"),
        11: _many("input", "ValueInfoProto"),
        12: _many("output", "ValueInfoProto"),
        13: _many("value_info", "ValueInfoProto"),
        14: _many("quantization_annotation", "TensorAnnotation"),
        15: _many("sparse_initializer", "SparseTensorProto"),
        16: _METADATA,
    },
    "FunctionProto": {
        1: _text("name"),
        4: Field("input", "text", repeated=True),
        5: Field("output", "text", repeated=True),
        6: Field("attribute", "text", repeated=True),
        7: _many("node", "NodeProto"),
        8: _text("doc_string"),
        9: _many("opset_import", "OperatorSetIdProto"),
        10: _text("domain"),
        11: _many("attribute_proto", "AttributeProto"),
        12: _many("value_info", "ValueInfoProto"),
        13: _text("overload"),
        14: _METADATA,
    },
    "NodeProto": {
        1: Field("input", "text", repeated=True),
        2: Field("output", "text", repeated=True),
        3: _text("name"),
        4: _text("op_type"),
        5: _many("attribute", "AttributeProto"),
        6: _text("doc_string"),
        7: _text("domain"),
        8: _text("overload"),
        9: _METADATA,
        10: _many("device_configurations", "NodeDeviceConfigurationProto"),
    },
    "AttributeProto": {
        1: _text("name"),
        2: Field("f", "float"),
        3: _int("i"),
        4: Field("s", "bytes"),
        5: _one("t", "TensorProto"),
        6: _one("g", "GraphProto"),
        7: Field("floats", "float", repeated=True),
        8: Field("ints", "int", repeated=True),
        9: Field("strings", "bytes", repeated=True),
        10: _many("tensors", "TensorProto"),
        11: _many("graphs", "GraphProto"),
        13: _text("doc_string"),
        14: _one("tp", "TypeProto"),
        15: _many("type_protos", "TypeProto"),
        20: _int("type"),
        21: _text("ref_attr_name"),
        22: _one("sparse_tensor", "SparseTensorProto"),
        23: _many("sparse_tensors", "SparseTensorProto"),
    },
    "TensorProto": {
        1: Field("dims", "int", repeated=True),
        2: _int("data_type"),
        3: _one("segment", "Segment"),
        4: Field("float_data", "float", repeated=True),
        5: Field("int32_data", "int", repeated=True),
        6: Field("string_data", "bytes", repeated=True),
        7: Field("int64_data", "int", repeated=True),
        8: _text("name"),
        9: Field("raw_data", "bytes"),
        10: Field("double_data", "double", repeated=True),
        11: Field("uint64_data", "int", repeated=True),
        12: _text("doc_string"),
        13: _many("external_data", _ENTRY),
        14: _int("data_location"),
        16: _METADATA,
    },
    "Segment": {1: _int("begin"), 2: _int("end")},
    "SparseTensorProto": {
        1: _one("values", "TensorProto"),
        2: _one("indices", "TensorProto"),
        3: Field("dims", "int", repeated=True),
    },
    "ValueInfoProto": {1: _text("name"), 2: _one("type", "TypeProto"), 3: _text("doc_string"), 4: _METADATA},
    "TypeProto": {
        1: _one("tensor_type", "Tensor"),
        4: _one("sequence_type", "Sequence"),
        5: _one("map_type", "Map"),
        6: _text("denotation"),
        7: _one("opaque_type", "Opaque"),
        8: _one("sparse_tensor_type", "Tensor"),
        9: _one("optional_type", "Sequence"),
    },
    "Tensor": {1: _int("elem_type"), 2: _one("shape", "TensorShapeProto")},
    "Sequence": {1: _one("elem_type", "TypeProto")},
    "Map": {1: _int("key_type"), 2: _one("value_type", "TypeProto")},
    "Opaque": {1: _text("domain"), 2: _text("name")},
    "TensorShapeProto": {1: _many("dim", "Dimension")},
    "Dimension": {1: _int("dim_value"), 2: _text("dim_param"), 3: _text("denotation")},
    "TrainingInfoProto": {
        1: _one("initialization", "GraphProto"),
        2: _one("algorithm", "GraphProto"),
        3: _many("initialization_binding", _ENTRY),
        4: _many("update_binding", _ENTRY),
    },
    "OperatorSetIdProto": {1: _text("domain"), 2: _int("version")},
    _ENTRY: {1: _text("key"), 2: _text("value")},
    "TensorAnnotation": {1: _text("tensor_name"), 2: _many("quant_parameter_tensor_names", _ENTRY)},
    "DeviceConfigurationProto": {
        1: _text("name"),
        2: _int("num_devices"),
        3: Field("device", "text", repeated=True),
    },
    "NodeDeviceConfigurationProto": {
        1: _text("configuration_id"),
        2: _many("sharding_spec", "ShardingSpecProto"),
        3: _int("pipeline_stage"),
    },
    "ShardingSpecProto": {
        1: _text("tensor_name"),
        2: Field("device", "int", repeated=True),
        3: _many("index_to_device_group_map", "IntIntListEntryProto"),
        4: _many("sharded_dim", "ShardedDimProto"),
    },
    "IntIntListEntryProto": {1: _int("key"), 2: Field("value", "int", repeated=True)},
    "ShardedDimProto": {1: _int("axis"), 2: _many("simple_sharding", "SimpleShardedDimProto")},
    "SimpleShardedDimProto": {1: _int("dim_value"), 2: _text("dim_param"), 3: _int("num_shards")},
}

#: TensorProto.DataType: the name, the bits of one element (0: text), and the typed field that may hold it, with how
#: many numbers of that field one element takes (a half where two elements share one).
DATA_TYPES: dict[int, tuple[str, int, str, float]] = {
    1: ("float32", 32, "float_data", 1),
    2: ("uint8", 8, "int32_data", 1),
    3: ("int8", 8, "int32_data", 1),
    4: ("uint16", 16, "int32_data", 1),
    5: ("int16", 16, "int32_data", 1),
    6: ("int32", 32, "int32_data", 1),
    7: ("int64", 64, "int64_data", 1),
    8: ("string", 0, "string_data", 1),
    9: ("bool", 8, "int32_data", 1),
    10: ("float16", 16, "int32_data", 1),
    11: ("float64", 64, "double_data", 1),
    12: ("uint32", 32, "uint64_data", 1),
    13: ("uint64", 64, "uint64_data", 1),
    14: ("complex64", 64, "float_data", 2),
    15: ("complex128", 128, "double_data", 2),
    16: ("bfloat16", 16, "int32_data", 1),
    17: ("float8e4m3fn", 8, "int32_data", 1),
    18: ("float8e4m3fnuz", 8, "int32_data", 1),
    19: ("float8e5m2", 8, "int32_data", 1),
    20: ("float8e5m2fnuz", 8, "int32_data", 1),
    21: ("uint4", 4, "int32_data", 0.5),
    22: ("int4", 4, "int32_data", 0.5),
    23: ("float4e2m1", 4, "int32_data", 0.5),
    24: ("float8e8m0", 8, "int32_data", 1),
    25: ("uint2", 2, "int32_data", 0.25),
    26: ("int2", 2, "int32_data", 0.25),
}
