"""A TFLite file as it is put together: tensors, constants and operators, packed as a flatbuffer.

The format: the schema of TensorFlow Lite, version 3, as it comes with the package ai-edge-litert.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

FORMAT = 3
IDENTIFIER = b"TFL3"
SIGNATURE = "serving_default"
ALIGNMENT = 16  # of constants, which runtimes read where they lie in the file

Array = npt.NDArray[Any]


class TfliteFile:
    """One graph. Tensors are numbered in the order in which they were added."""

    def __init__(self) -> None:
        self._tensors: list[Any] = []
        self._operators: list[Any] = []
        self._buffers = [schema.BufferT()]  # the first is that of tensors without constant values
        self._codes: dict[tuple[int, int], int] = {}

    def tensor(self, name: str, shape: Sequence[int]) -> int:
        """Add a float32 tensor that is computed or given; return its number."""
        return self._add(name, shape, schema.TensorType.FLOAT32, 0)

    def constant(self, values: Array) -> int:
        """Add a constant, float32 or int32; return its number."""
        kind = schema.TensorType.INT32 if values.dtype == np.int32 else schema.TensorType.FLOAT32
        assert values.dtype in (np.int32, np.float32)
        data = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
        self._buffers.append(schema.BufferT(data=data))
        number = len(self._buffers) - 1
        return self._add(f"c{number}", values.shape, kind, number)

    def operator(
        self, kind: str, inputs: Sequence[int], output: int, options: Any = None, version: int = 1
    ) -> None:
        """Add an operator; ``kind`` is its name in the schema, ``version`` the oldest that fits."""
        code = (getattr(schema.BuiltinOperator, kind), version)
        number = self._codes.setdefault(code, len(self._codes))
        operator = schema.OperatorT(opcodeIndex=number, inputs=[*inputs], outputs=[output])
        if options is not None:
            name = type(options).__name__.removesuffix("T")
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, name)
            operator.builtinOptions = options
        self._operators.append(operator)

    def packed(self, inputs: Mapping[str, int], outputs: Mapping[str, int]) -> bytes:
        """Return the file, whose inputs and outputs have names and come in this order."""
        graph = schema.SubGraphT(
            tensors=self._tensors,
            inputs=[*inputs.values()],
            outputs=[*outputs.values()],
            operators=self._operators,
            name="stage",
        )
        signature = schema.SignatureDefT(
            inputs=_named(inputs), outputs=_named(outputs), signatureKey=SIGNATURE
        )
        model = schema.ModelT(
            version=FORMAT,
            operatorCodes=[_code(kind, version) for kind, version in self._codes],
            subgraphs=[graph],
            buffers=self._buffers,
            signatureDefs=[signature],
        )
        constants = sum(len(buffer.data) for buffer in self._buffers if buffer.data is not None)
        builder = _Aligned(constants + 1024 * (len(self._tensors) + 1))
        builder.Finish(model.Pack(builder), file_identifier=IDENTIFIER)
        return bytes(builder.Output())

    def _add(self, name: str, shape: Sequence[int], kind: int, buffer: int) -> int:
        self._tensors.append(
            schema.TensorT(shape=[*shape], type=kind, buffer=buffer, name=name, hasRank=True)
        )
        return len(self._tensors) - 1


class _Aligned(flatbuffers.Builder):  # type: ignore[misc]  # flatbuffers has no types
    """Aligns constants as the schema asks, which the builder of Python does not know of."""

    def CreateNumpyVector(self, x: Array) -> int:  # their name
        self.Prep(ALIGNMENT, x.nbytes)
        return int(super().CreateNumpyVector(x))


def _code(kind: int, version: int) -> Any:
    return schema.OperatorCodeT(deprecatedBuiltinCode=kind, builtinCode=kind, version=version)


def _named(tensors: Mapping[str, int]) -> list[Any]:
    return [schema.TensorMapT(name=name, tensorIndex=number) for name, number in tensors.items()]
