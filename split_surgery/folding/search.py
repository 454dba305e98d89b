"""What of a net is folded, and what is left and why: splits, or every linear region."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from split_surgery.documents.net.flow import Flow, NetFlows, flows
from split_surgery.documents.net.layer_types import BY_CHANNEL, SLIDING, own_blobs
from split_surgery.documents.net.net import Net
from split_surgery.documents.net.parameters import blob_of, shared_with
from split_surgery.documents.net.split_blocks import Region, Splits
from split_surgery.documents.source import Progress
from split_surgery.errors import FileError, FilePlace, NotFoldable, Overflow, Unsupported, UsageError, nearest
from split_surgery.folding.collapse import Collapsed, collapse
from split_surgery.folding.regions import GrowingGroup, anchor_of, linear_regions
from split_surgery.folding.understood import Trust, is_linear
from split_surgery.workspace.inputs import Inputs


@dataclass(frozen=True)
class LeftRegion:
    """Layers that were not folded, and why not."""

    layer: str
    layers: tuple[str, ...]
    split: bool
    reason: str


NONE = Region((), "", "", "", split=False)

OWNED = (*BY_CHANNEL, "Power")
"""Layers that belong to the one before them, where that is one of OWNERS."""

OWNERS = (*SLIDING, "InnerProduct", *OWNED)


@dataclass
class Search:
    """The regions of a net: found, folded where they can be, and the reasons where not.

    Attributes:
        planned: the blocks that a split.yaml names, in the order in which they were made: the layer that was split, and what it became.
        wanted: names of the layers to fold; empty for all.
        done: what was folded, in the order of the net. failed: what was not, and why.
    """

    inputs: Inputs
    trust: Trust
    allow_larger: bool
    progress: Progress
    planned: tuple[tuple[str, tuple[str, ...]], ...]
    wanted: tuple[str, ...]

    def __post_init__(self) -> None:
        self.texts = [NetFlows(net, tuple(flows(net))) for net in self.inputs.nets]
        self.taken = {layer.name for text in self.texts for layer in text.net.layers}
        self.given: dict[str, str] = {}
        self.known = {names[-1]: layer for layer, names in self.planned}
        self.done: list[Collapsed] = []
        self.failed: list[tuple[Region, NotFoldable | Unsupported]] = []
        self.refused: dict[tuple[str, ...], NotFoldable | Unsupported] = {}  # why, by the layers of a region
        self.overflowing: set[str] = set()  # layers whose numbers together are too large

    def find(self, every: bool) -> None:
        """Fold what can be folded.

        Raises:
            UsageError: there is no such layer to fold.
            FileError: the weights file lacks what a region needs.
        """
        splits: dict[str, Region] = {}
        inner: dict[str, Region] = {}
        for flow in self.texts[0].flows:
            known = Splits(flow, self.named)
            inner |= {region.name: region for region in known.every() if region.name not in inner}
            found = [*known.found(), *self._planned(flow, inner)]
            for region in found:
                inside = any(set(region.layers) < set(other.layers) for other in found)
                if region.last not in splits and not inside:
                    splits[region.last] = region
        regions = list(splits.values())
        if every:
            self._find_linear(self.texts[0].flows, regions)
        else:
            for done, region in enumerate(self._asked(regions, inner)):
                self.progress("folding", done, len(regions))
                folded = self._folded(region)
                self.done += [folded] if isinstance(folded, Collapsed) else []
        self._untie()
        order = {layer.name: at for at, layer in enumerate(self.inputs.net.layers)}
        self.done.sort(key=lambda one: order[one.region.layers[0]])
        seen = [one.region.name for one in self.done] + [region.name for region, _ in self.failed]
        for name in self.wanted:
            if name not in seen:
                self._unknown(name, list(inner))

    def _planned(self, flow: Flow, inner: dict[str, Region]) -> list[Region]:
        """The blocks of a flow that split.yaml names; where a part was split again, that block in its place.

        Args:
            inner: the blocks that are known by their structure, by name.
        """
        made = {name: (region.layers, region.last, region.anchor) for name, region in inner.items()}
        found = []
        for layer, names in reversed(self.planned):
            parts = [((name,), name, name) if name in flow.places else made.get(name) for name in names]
            there = [part for part in parts if part is not None]
            if layer in made or len(there) < len(parts):
                continue
            layers = sorted(
                {name for part in there for name in part[0] if name in flow.places}, key=flow.places.__getitem__
            )
            made[layer] = (tuple(layers), there[-1][1], there[0][2])
            found.append(Region(*made[layer][:2], made[layer][2], layer, split=True))
        return found

    def named(self, last: str, candidates: list[str]) -> str | None:
        """What a split layer was called: as split.yaml or the user says, else the likeliest name."""
        if last in self.known:
            return self.known[last]
        # What one block was called, another was not; and a block is asked about in every flow.
        free = [name for name in candidates if name not in self.taken and self.given.get(name, last) == last]
        found = next((name for name in (*self.wanted, *free) if name in free), None)
        return self.given.setdefault(found, last) and found if found is not None else None

    def _asked(self, regions: list[Region], inner: dict[str, Region]) -> list[Region]:
        """The regions that the user wants: also one inside another, which then is folded alone."""
        if not self.wanted:
            return regions
        outer = {region.name: region for region in regions}
        known = [outer.get(name) or inner.get(name) for name in dict.fromkeys(self.wanted)]
        found = [region for region in known if region is not None]
        return [one for one in found if not any(set(one.layers) < set(other.layers) for other in found)]

    def _unknown(self, name: str, names: list[str]) -> NoReturn:
        raise UsageError(
            f'--layer {name}: nothing in {self.inputs.net.document.name} folds into a layer "{name}"',
            hint=nearest(name, list(dict.fromkeys(names))),
        )

    def _folded(self, region: Region) -> Collapsed | NotFoldable | Unsupported:
        """A region as one layer, or why it must be left."""
        if region.layers in self.refused:
            return self.refused[region.layers]
        for name in region.layers:
            self._check_weights(name)
        try:
            return collapse(self.texts, self.inputs.weights, region, self.trust, self.allow_larger)
        except (NotFoldable, Unsupported) as error:
            # Its traceback would keep the arrays of every region that failed.
            error.__cause__ = error.__context__ = None
            self.refused[region.layers] = error.with_traceback(None)
            self.failed.append((region, error))
            return error

    def _check_weights(self, name: str) -> None:
        """Raises: FileError, where the weights file has not the blobs that a layer needs: then it is not this net's."""
        for text in self.texts:
            for layer in text.net.named(name)[:1]:
                for index in range(own_blobs(layer) or 0):
                    if blob_of(text.net, self.inputs.weights, layer, index) is None:
                        message = f'has no blob {index} of layer "{name}" (which {layer.place()} defines)'
                        raise FileError(message, FilePlace(self.inputs.weights.name))

    def _find_linear(self, flow_list: Sequence[Flow], splits: list[Region]) -> None:
        """From the end of the net on, the largest regions that can be folded; splits are part of them whole or not at all."""
        named = {region.last: region for region in splits}
        inside = {name: region for region in splits for name in region.layers}
        covered: set[str] = set()
        for flow in flow_list:
            blocks = [region.places(flow) for region in splits]
            whole = {place: block for block in blocks for place in block}
            for at in reversed(range(len(flow.layers))):
                self.progress("folding", len(flow.layers) - at, len(flow.layers))
                layer = flow.layers[at]
                if layer.name in covered or not is_linear(layer) or (layer.name in inside and layer.name not in named):
                    continue
                found = self._largest(flow, linear_regions(flow, at, whole, covered), at, inside)
                if found is not None:
                    self.done.append(found)
                    covered |= set(found.region.layers)

    def _largest(
        self, flow: Flow, groups: GrowingGroup, last: int, inside: Mapping[str, Region]
    ) -> Collapsed | None:  # fmt: skip
        """Fold the largest that can be of groups that end at a place."""

        def region_at(at: int) -> Region | None:
            return self._region(flow, groups[at], last, inside)

        for at in reversed(range(len(groups))):
            region = region_at(at)
            if region is None:
                continue
            if not self.overflowing.issuperset(region.layers):
                found = self._folded(region)
                if isinstance(found, Collapsed):
                    return found
                if not isinstance(found, Overflow):
                    continue
                self.overflowing |= set(region.layers)
            return self._largest_from_below(at + 1, region_at)
        return None

    def _largest_from_below(self, count: int, region_at: Callable[[int], Region | None]) -> Collapsed | None:
        """The same of the first `count` groups, where together they are too large: regions that grow by twice as much each time, until
        one overflows; then between.

        From above, a chain of n layers would be worked out in each of its lengths, and so again from each of its layers.
        """
        best: Collapsed | None = None
        low, high, step = -1, count, 1  # the largest that is known to fold, and the smallest that overflows
        while low + 1 < high:
            first = min(low + step, (low + high) // 2)
            for at in range(first, high):
                region = region_at(at)
                found = self._folded(region) if region is not None else None
                if isinstance(found, Collapsed):
                    best, low, step = found, at, 2 * step
                    break
                if isinstance(found, Overflow):
                    high = at
                    break
            if low < first:
                high = first  # nothing from there on folds
        return best

    def _region(self, flow: Flow, group: list[int], last: int, inside: Mapping[str, Region]) -> Region | None:
        """What a group of places would be folded as; None where nothing is to be folded."""
        anchor = anchor_of(flow, group, inside) if len(group) > 1 else None
        if anchor is None:
            return None
        layers = tuple(flow.layers[at].name for at in group)
        if len(set(layers)) < len(group):  # layers without blobs may have one name, or none
            return None
        split = inside.get(layers[-1])
        if split is not None and set(split.layers) == set(layers):
            region = split
        else:
            blocks = {one.name: one for one in map(inside.get, layers) if one is not None}
            nested = sum(1 + one.nested for one in blocks.values())
            region = Region(layers, flow.layers[last].name, anchor[0].name, anchor[1], split=False, nested=nested)
        if _begins_with_anothers(flow, region) or (self.wanted and region.name not in self.wanted):
            return None
        return region

    def _untie(self) -> None:
        """Leave regions whose parameters are tied by name to others that do not become the same."""
        tied = True
        while tied:
            folded = {name: collapsed for collapsed in self.done for name in collapsed.region.layers}
            called = [self._called(text.net) for text in self.texts]
            faults = [(collapsed, self._tie(collapsed, folded, called)) for collapsed in self.done]
            tied = any(reason for _, reason in faults)
            for collapsed, reason in faults:
                if reason:
                    self.done.remove(collapsed)
                    self.failed.append((collapsed.region, NotFoldable(reason)))

    def _called(self, net: Net) -> dict[str, list[tuple[Collapsed, int]]]:
        """The folded layers that will have a parameter of a name, each with the blob's index."""
        found: dict[str, list[tuple[Collapsed, int]]] = {}
        for collapsed in self.done:
            for index, name in self._names(net, collapsed):
                found.setdefault(name, []).append((collapsed, index))
        return found

    def _tie(
        self, collapsed: Collapsed, folded: dict[str, Collapsed], called: list[dict[str, list[tuple[Collapsed, int]]]]
    ) -> str:
        """Why the parameters that a region has by name forbid its fold, or ""."""
        region = collapsed.region
        if any(one.region.name == region.name for one in folded.values() if one is not collapsed):
            return f'another region would be called "{region.name}" too'
        for text, by_name in zip(self.texts, called):
            for layer in (layer for name in region.layers for layer in text.net.named(name)):
                for index, _, _ in layer.param_names():
                    for other, _ in shared_with(text.net, layer, index):
                        if other.name not in folded:
                            return f'"{layer.name}" shares a parameter with "{other.name}", which is not folded'
            for index, name in self._names(text.net, collapsed):
                for other, at in text.net.parameters.get(name, ()):
                    if other.name not in folded:
                        return f'its parameter would be called "{name}" again, as that of "{other.name}" is ({at})'
                for one, at in by_name[name]:
                    if one is not collapsed and not _same_numbers(collapsed, index, one, at):
                        return f'its parameter "{name}" is tied to that of "{one.region.name}", which becomes another'
        return ""

    def _names(self, net: Net, collapsed: Collapsed) -> list[tuple[int, str]]:
        """The names of parameters that a region's layer has, by the index of the blob."""
        region = collapsed.region
        suffix = region.anchor.removeprefix(region.name)
        named = [row for layer in net.named(region.anchor) for row in layer.param_names()]
        return list(dict.fromkeys((index, text.removesuffix(suffix)) for index, text, _ in named))

    def left(self, every: bool) -> tuple[LeftRegion, ...]:
        """What was not folded and why: splits, and where every region was looked at what a convolution might have taken in.

        A layer's reason is that of the smallest region with it that failed.
        """
        folded = {name for collapsed in self.done for name in collapsed.region.layers}
        smallest: dict[str, tuple[Region, NotFoldable | Unsupported]] = {}
        for region, error in sorted(self.failed, key=lambda row: len(row[0].layers)):
            for name in region.layers:
                smallest.setdefault(name, (region, error))
        found: dict[tuple[str, str], list[tuple[str, NotFoldable | Unsupported]]] = {}  # what has one reason, together
        for flow in self.texts[0].flows:
            for at, layer in enumerate(flow.layers):
                if layer.name in folded:
                    continue
                region, why = smallest.get(layer.name, (NONE, None))
                if why is None and every and not self.wanted:
                    why = self._not_taken(flow, at)
                if why is not None:
                    found.setdefault((region.name if region.split else "", why.reason), []).append((layer.name, why))
        return tuple(
            LeftRegion(
                split or rows[0][0],
                tuple(dict.fromkeys(name for name, _ in rows)),
                bool(split),
                rows[0][1].message if len({why.message for _, why in rows}) == 1 else reason,
            )
            for (split, reason), rows in found.items()
        )

    def _not_taken(self, flow: Flow, at: int) -> NotFoldable | None:
        """Why a layer that is there to be folded into another was taken in by none."""
        layer = flow.layers[at]
        if layer.type in BY_CHANNEL:
            reason = _alone(flow, at)
            return NotFoldable(reason) if reason else None
        kept = any(record.blobs for record in self.inputs.weights.named(layer.name))
        if own_blobs(layer) is None and kept and len(layer.bottoms) == len(layer.tops) == 1:
            return NotFoldable(f"layers of type {layer.type} are not understood")
        return None


def _begins_with_anothers(flow: Flow, region: Region) -> bool:
    """Whether a region would take in a BatchNorm, Scale or Bias that belongs to the convolution before it: what a linear bottleneck's
    blobs mean would change for no gain. (A Scale that takes in its own BatchNorm gains.)"""
    if flow.layers[flow.places[region.anchor]].type == "Scale":
        return False
    bottom = region.start(flow)
    if bottom is None or (maker := flow.maker(bottom)) is None:
        return False
    readers = [flow.layers[at] for at in flow.readers.get(bottom, [])]
    return maker.type in OWNERS and len(readers) == 1 and readers[0].type in OWNED


def _same_numbers(a: Collapsed, at: int, b: Collapsed, there: int) -> bool:
    mine, its = ((one.weight, one.bias)[index] if index < 2 else None for one, index in ((a, at), (b, there)))
    return mine is not None and its is not None and mine.tobytes() == its.tobytes()


def _alone(flow: Flow, at: int) -> str:
    """Why a layer that works channel by channel has nothing to be folded into."""
    if len(flow.reads[at]) != 1 or len(flow.makes[at]) != 1:
        return f"it has {len(flow.reads[at])} bottoms and {len(flow.makes[at])} tops"
    read, made = flow.reads[at][0], flow.makes[at][0]
    maker = flow.maker(read)
    others = [flow.layers[reader].name for reader in flow.readers[read] if reader != at]
    if maker is not None and is_linear(maker) and others:
        return f'its bottom "{read.blob}" is read by "{others[0]}" too'
    readers = [flow.layers[reader] for reader in flow.readers.get(made, [])]
    if len(readers) > 1 and any(map(is_linear, readers)):
        return f'its top "{made.blob}" is read by {len(readers)} layers'
    return "there is no convolution or InnerProduct beside it that could take it in"
