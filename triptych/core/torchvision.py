"""Makes a torchvision that was built for graphics cards importable beside a torch for the CPU.

The registry's torchvision loads its operators from a library that needs the CUDA build of torch. Without them
`import torchvision` raises, and so does all that looks whether it is there: transformers,
sentence-transformers, ultralytics. `torchvision.io` stays without its decoders; nothing here needs them.
"""

from __future__ import annotations

import importlib.util
import sys

_kept: list[object] = []


def mend() -> None:
    """Import torchvision, with a plain `nms` where its own operators cannot be loaded; call it before transformers.

    Nothing happens where torchvision is not installed, or imports as it is.
    """
    if "torchvision" in sys.modules or importlib.util.find_spec("torchvision") is None:
        return
    try:
        import torchvision
    except RuntimeError as error:
        if "does not exist" not in str(error):
            raise
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        _define()
        import torchvision.extension

        torchvision.extension._has_ops = lambda: True


def _define() -> None:
    """Declare the operators that torchvision's own files register meta kernels for, and a plain `nms`."""
    import torch

    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.impl("nms", _nms, "CompositeExplicitAutograd")
    _kept.append(library)  # the operators live as long as the library object


def _nms(boxes, scores, iou_threshold: float):
    """Greedy non-maximum suppression: (N, 4) boxes and (N,) scores to the indices that stay, best first."""
    import torch

    order = scores.argsort(descending=True, stable=True)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    kept = []
    while order.numel():
        best, rest = order[0], order[1:]
        kept.append(best)
        low = torch.maximum(boxes[best, :2], boxes[rest, :2])
        high = torch.minimum(boxes[best, 2:], boxes[rest, 2:])
        overlap = (high - low).clamp(min=0).prod(dim=1)
        order = rest[overlap / (areas[best] + areas[rest] - overlap) <= iou_threshold]
    return torch.stack(kept) if kept else order
