"""A weights file to be looked at: layers and blobs by name, each read when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from split_surgery.documents.source import Source
from split_surgery.documents.weights.blobs import Array, Record, Weights
from split_surgery.errors import UsageError, nearest


class LayerBlobs(Mapping[int, Array]):
    """The blobs of one layer, by their index: 0 the weight, 1 the bias. `layer[0]` reads one, as an array that cannot be written to.

    Attributes:
        name: the layer's. type: as the file says it; "" in HDF5, which does not.
    """

    def __init__(self, record: Record, source: Source) -> None:
        self._record = record
        self._source = source
        self.name = record.name
        self.type = record.type

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shape of each blob, no number of which is read; old files give each four axes."""
        return tuple(blob.shape for blob in self._record.blobs)

    @property
    def dtypes(self) -> tuple[str, ...]:
        """The type of each blob's numbers: `<f4`, `<f8`, or `<f2` of NVIDIA's fork."""
        return tuple(blob.dtype for blob in self._record.blobs)

    @property
    def bottoms(self) -> tuple[str, ...]:
        return self._record.bottoms

    @property
    def tops(self) -> tuple[str, ...]:
        return self._record.tops

    def __getitem__(self, index: int) -> Array:
        """The numbers of a blob.

        Raises:
            UsageError: the layer has no such blob.
            SurgeryError: they cannot be read.
        """
        blob = self._record.blob(index)
        if blob is None:
            raise UsageError(f"there is no blob {index}, but {len(self)} in all", self._record.place, layer=self.name)
        try:
            array = blob.load()
        finally:
            self._source.rest()  # nobody has to close it
        array.flags.writeable = False
        return array

    def __iter__(self) -> Iterator[int]:
        return iter(blob.index for blob in self._record.blobs)

    def __len__(self) -> int:
        return len(self._record.blobs)

    def __repr__(self) -> str:
        return f'<layer "{self.name}" {list(self.shapes)}>'


class OpenWeights(Mapping[str, LayerBlobs]):
    """The layers of a weights file by name, in the order of the file; Caffe's own Split layers are left out.

    Of several records of one name it is the last, which Caffe keeps too. Between two reads the file is closed.
    """

    def __init__(self, weights: Weights, source: Source) -> None:
        self.path = weights.name
        self._layers = {record.name: LayerBlobs(record, source) for record in weights.layers if record.type != "Split"}

    def __getitem__(self, name: str) -> LayerBlobs:
        """The layer of that name.

        Raises:
            UsageError: there is none.
        """
        if name not in self._layers:
            raise UsageError(f'no layer "{name}" in {self.path}', hint=nearest(name, list(self._layers)))
        return self._layers[name]

    def __contains__(self, name: object) -> bool:
        return name in self._layers

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)

    def __repr__(self) -> str:
        return f"<{self.path}: {len(self)} layers>"
