"""A weights file to be looked at: layers and blobs by name, each read when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import TracebackType

from split_surgery.documents.weights.blobs import Array, Blob, Record, Weights
from split_surgery.errors import UsageError, nearest
from split_surgery.workspace.open_files import OpenFiles


class LayerBlobs(Mapping[int, Array]):
    """The blobs of one layer, by their index: 0 the weight, 1 the bias. `layer[0]` reads one, as an array that cannot be written to.

    Attributes:
        name: the layer's. type: as the file says it; "" in HDF5, which does not.
    """

    def __init__(self, record: Record) -> None:
        self._record = record
        self.name = record.name
        self.type = record.type

    @property
    def blobs(self) -> tuple[Blob, ...]:
        """What the file says of each blob, its numbers unread: `shape`, `dtype`, `count`."""
        return self._record.blobs

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
        array = blob.load()
        array.flags.writeable = False
        return array

    def __iter__(self) -> Iterator[int]:
        return iter(blob.index for blob in self._record.blobs)

    def __len__(self) -> int:
        return len(self._record.blobs)

    def __repr__(self) -> str:
        return f'<layer "{self.name}" {[blob.shape for blob in self.blobs]}>'


class OpenWeights(Mapping[str, LayerBlobs]):
    """The layers of a weights file by name, in the order of the file; Caffe's own Split layers are left out.

    Of several records of one name it is the last, which Caffe keeps too. The file stays open until `close`, or the end of a `with`.
    """

    def __init__(self, files: OpenFiles, weights: Weights) -> None:
        self._files = files
        self.path = weights.name
        self._layers = {record.name: LayerBlobs(record) for record in weights.layers if record.type != "Split"}

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

    def close(self) -> None:
        """Close the file: what was read stays, and nothing more can be read."""
        self._files.__exit__()

    def __enter__(self) -> OpenWeights:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
