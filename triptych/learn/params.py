"""Parameters of heads, text and fusions: one table that gives defaults, checks, and the tables of docs/models.md."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from triptych.core.config import HEADS, Model, nearest
from triptych.learn.networks.losses import MULTI, SINGLE


@dataclass(frozen=True)
class Param:
    """One parameter.

    Attributes:
        default: value when it is not given.
        check: whether a value is valid.
        allowed: what is valid, in words.
        doc: what it does, one sentence.
        search: a list of values may be given; one is chosen by inner grouped cross-validation.
    """

    default: Any
    check: Callable[[Any], bool]
    allowed: str
    doc: str
    search: bool = False


def _number(low: float, high: float = float("inf"), above: bool = False) -> Callable[[Any], bool]:
    def check(value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return False
        return (value > low if above else value >= low) and value <= high and value != float("inf")

    return check


def _whole(low: int, high: float = float("inf")) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _one_of(*words: Any) -> Callable[[Any], bool]:
    return lambda value: any(value is word or (isinstance(value, str) and value == word) for word in words)


def _either(*checks: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: any(check(value) for check in checks)


def _wholes(low: int, length: tuple[int, int]) -> Callable[[Any], bool]:
    one, (least, most) = _whole(low), length
    return lambda value: isinstance(value, (list, tuple)) and least <= len(value) <= most and all(map(one, value))


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _commit(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 40 and set(value) <= set("0123456789abcdef")


def _ngrams(value: Any) -> bool:
    return _wholes(1, (2, 2))(value) and value[0] <= value[1] <= 5


def _weights(value: Any) -> bool:
    positive = _number(0.0, above=True)
    return isinstance(value, Mapping) and bool(value) and all(map(positive, value.values()))


_C = Param(1.0, _number(0, above=True), "above 0", "inverse strength of regularisation", search=True)
_CALIBRATE = Param(
    "none",
    _one_of("none", "temperature"),
    "`none`, `temperature`",
    "`temperature` divides log-probabilities by one number fitted on inner folds",
)

#: Head -> its parameters.
HEAD_PARAMS: dict[str, dict[str, Param]] = {
    "svc": {
        "C": _C,
        "gamma": Param(
            "scale",
            _either(_one_of("scale"), _number(0, above=True)),
            "`scale` or above 0",
            "width of the RBF kernel; `scale` is 1 / (width x variance) of the training matrix",
            search=True,
        ),
    },
    "linear_svc": {"C": _C},
    "logistic": {
        "C": _C,
        "max_iter": Param(1000, _whole(1), "1 or more", "most iterations of the solver"),
        "calibrate": _CALIBRATE,
    },
    "mlp": {
        "hidden": Param([128], _wholes(1, (1, 5)), "list of 1 to 5 widths", "widths of the hidden layers"),
        "alpha": Param(0.001, _number(0), "0 or more", "L2 penalty", search=True),
        "learning_rate": Param(0.001, _number(0, 1, above=True), "above 0, to 1", "first step of Adam", search=True),
        "max_iter": Param(300, _whole(1), "1 or more", "most passes over the training videos"),
        "calibrate": _CALIBRATE,
    },
    "knn": {
        "neighbors": Param(5, _whole(1), "1 or more", "number of neighbours that vote", search=True),
        "weights": Param(
            "uniform", _one_of("uniform", "distance"), "`uniform`, `distance`", "weight of a vote: 1, or 1 / distance"
        ),
        "metric": Param("euclidean", _one_of("euclidean", "cosine"), "`euclidean`, `cosine`", "distance"),
        "calibrate": _CALIBRATE,
    },
    "forest": {
        "n_estimators": Param(300, _whole(1, 10_000), "1 to 10000", "number of trees"),
        "max_features": Param(
            "sqrt",
            _either(_one_of("sqrt", "log2"), _number(0, 1, above=True)),
            "`sqrt`, `log2` or a share above 0, to 1",
            "features tried at each node",
            search=True,
        ),
        "min_samples_leaf": Param(1, _whole(1), "1 or more", "fewest videos of a leaf", search=True),
        "max_depth": Param(None, _either(_one_of(None), _whole(1)), "null or 1 or more", "deepest level of a tree"),
        "calibrate": _CALIBRATE,
    },
    "hist_gradient_boosting": {
        "learning_rate": Param(0.1, _number(0, 1, above=True), "above 0, to 1", "weight of each tree", search=True),
        "max_iter": Param(100, _whole(1, 10_000), "1 to 10000", "most trees (a class)", search=True),
        "max_leaf_nodes": Param(31, _whole(2), "2 or more", "most leaves of a tree", search=True),
        "min_samples_leaf": Param(5, _whole(1), "1 or more", "fewest videos of a leaf", search=True),
        "l2": Param(0.0, _number(0), "0 or more", "L2 penalty", search=True),
        "calibrate": _CALIBRATE,
    },
    "majority": {},
    "prior": {},
}
#: Parameters of text fields, given beside those of the head.
TEXT_PARAMS: dict[str, Param] = {
    "ngrams": Param([1, 2], _ngrams, "two numbers, 1 to 5", "shortest and longest run of words that is counted"),
    "min_df": Param(1, _whole(1), "1 or more", "fewest training videos with a term"),
    "max_df": Param(1.0, _number(0, 1, above=True), "above 0, to 1", "largest share of training videos with a term"),
    "max_features": Param(20_000, _whole(1), "1 or more", "most terms, the most frequent ones"),
    "sublinear": Param(True, _one_of(True, False), "`true`, `false`", "tf-idf: 1 + log(count) in place of the count"),
    "stop_words": Param("none", _one_of("none", "english"), "`none`, `english`", "words that are left out"),
}
#: Parameters of `head: finetune`.
TUNE_PARAMS: dict[str, Param] = {
    "model": Param(None, _text, "id of a hub or a folder", "the checkpoint that is fine-tuned; must be given"),
    "revision": Param(
        None,
        _either(_one_of(None), _commit),
        "null or 40 hexadecimal digits",
        "commit of a hub's model; else the one that models.lock names",
    ),
    "max_length": Param(
        None,
        _either(_one_of(None), _whole(8, 1_000_000)),
        "null or 8 or more",
        "tokens of a text, or of a window; null for 512, or what the checkpoint can read if that is less",
    ),
    "windows": Param(
        "first",
        _one_of("first", "mean"),
        "`first`, `mean`",
        "of a longer text `first` reads its beginning; `mean` reads windows, whose probabilities are averaged",
    ),
    "stride": Param(0, _whole(0, 1_000_000), "0 or more", "`windows: mean`: tokens that neighbouring windows share"),
    "max_windows": Param(16, _whole(1, 10_000), "1 to 10000", "`windows: mean`: of more, so many evenly chosen ones"),
    "epochs": Param(4, _whole(1, 1000), "1 to 1000", "most passes over the training texts"),
    "batch": Param(16, _whole(1, 4096), "1 to 4096", "texts (windows) that go through the network at once"),
    "accumulate": Param(1, _whole(1, 4096), "1 to 4096", "batches of one step of the optimiser"),
    "learning_rate": Param(2e-5, _number(0, 1, above=True), "above 0, to 1", "largest step of AdamW"),
    "weight_decay": Param(0.01, _number(0, 10), "0 to 10", "of AdamW; not of biases and normalisations"),
    "warmup": Param(0.1, _number(0, 1), "0 to 1", "share of the steps in which the rate rises; then it falls to 0"),
    "patience": Param(2, _whole(1), "1 or more", "passes without a lower validation loss after which training ends"),
    "validation": Param(
        0.1, _number(0, 0.5), "0 to 0.5", "share of the training videos, whole groups, that training stops by; 0: none"
    ),
    "freeze": Param(
        0,
        _either(_whole(0, 1000), _one_of("all")),
        "0 to 1000, or `all`",
        "lowest layers, embeddings with them, that stay as they are; `all`: only the new head learns",
    ),
    "loss": Param(
        "auto",
        _one_of("auto", *SINGLE, *MULTI),
        ", ".join(f"`{name}`" for name in ("auto", *SINGLE, *MULTI)),
        f"`auto`: `{SINGLE[0]}` for one class a video (the only one there), `{MULTI[0]}` for several labels",
    ),
    "gamma": Param(2.0, _number(0, 20), "0 to 20", "`focal`: focus"),
    "gamma_neg": Param(4.0, _number(0, 20), "0 to 20", "`asymmetric`: focus of absent labels"),
    "gamma_pos": Param(1.0, _number(0, 20), "0 to 20", "`asymmetric`: focus of present labels"),
    "clip": Param(0.05, _number(0, 0.5), "0 to 0.5", "`asymmetric`: absent labels below this probability cost nothing"),
    "precision": Param(
        "auto",
        _one_of("auto", "float32", "bfloat16", "float16"),
        "`auto`, `float32`, `bfloat16`, `float16`",
        "numbers on a card; `auto` is bfloat16 where the card has it, else float16; float32 on the CPU",
    ),
}
_WEIGHTS = Param({}, _weights, "member: above 0", "weight of each member; 1 where it is not named")
#: Head of a late fusion -> its parameters.
FUSION_PARAMS: dict[str, dict[str, Param]] = {
    "mean": {"weights": _WEIGHTS},
    "log_product": {"weights": _WEIGHTS},
    "logistic": {
        "C": _C,
        "temperature": Param(
            True,
            _one_of(True, False),
            "`true`, `false`",
            "calibrate each member by a temperature fitted on its inner rows",
        ),
        "indicator": Param(
            False, _one_of(True, False), "`true`, `false`", "tell the meta model which members lack their input"
        ),
    },
}
#: Parameters of a choice.
SELECT_PARAMS: dict[str, Param] = {
    "by": Param(
        "log_loss",
        _one_of("log_loss", "accuracy", "macro_f1", "micro_f1"),
        "`log_loss`, `accuracy`, `macro_f1`, `micro_f1`",
        "score of the inner rows that the best model has",
    )
}


def table(model: Model) -> dict[str, Param]:
    """The parameters that this model takes."""
    if model.select:
        return SELECT_PARAMS
    if model.fusion == "late":
        return FUSION_PARAMS[model.head]
    if model.head == "finetune":
        return TUNE_PARAMS
    from triptych.learn.networks.params import NETWORK_PARAMS

    if model.head in NETWORK_PARAMS:
        return NETWORK_PARAMS[model.head] | (TEXT_PARAMS if model.text else {})
    return HEAD_PARAMS[model.head] | (TEXT_PARAMS if model.text else {})


def validate(model: Model | Mapping[str, Any], name: str = "") -> list[str]:
    """Faults of a model's parameters, one line each; empty when all is well. Reads no data.

    Args:
        model: the model's section of the study file.
        name: its name, for the messages.
    """
    model = as_model(model)
    place = f"models.{name}.params" if name else "params"
    known, faults = table(model), []
    for key, value in model.params.items():
        if key not in known:
            same = {one.lower(): one for one in known}.get(str(key).lower())
            hint = f"; did you mean {same!r}?" if same else nearest(str(key), known)
            hint = hint or f" (known: {', '.join(known) or 'none'})"
            what = f"the {'fusion' if model.fusion == 'late' else 'head'} `{model.head}`"
            what = "a choice" if model.select else what
            faults.append(f"{place}.{key}: {what} has no such parameter{hint}")
            continue
        param = known[key]
        values = value if param.search and isinstance(value, list) else [value]
        if not values:
            faults.append(f"{place}.{key}: the list is empty")
        for one in values:
            if not param.check(one):
                lists = ", or a list of these" if param.search else ""
                faults.append(f"{place}.{key}: must be {param.allowed}{lists} (given: {one!r})")
    if model.network and model.head != "finetune" and not faults:
        from triptych.learn.networks import params as networks

        faults += [f"{place}.{fault}" for fault in networks.faults(model, values_of(known, model.params))]
    if model.head == "finetune":
        faults += [f"{place}.{one}" for one in _tune_faults(model.params)]
    weights = model.params.get("weights")
    for member in weights if model.fusion == "late" and isinstance(weights, Mapping) else ():
        if member not in model.members:
            faults.append(f"{place}.weights: {member!r} is no member{nearest(str(member), model.members)}")
    if model.reads_members and model.seeds is not None:
        faults.append(
            f"{place.removesuffix('.params')}.seeds: it has as many seeds as the one of its members with most; give "
            "`seeds` to the members"
        )
    if model.select and model.balance != "none":
        faults.append(f"{place.removesuffix('.params')}.balance: a choice fits nothing that could be balanced")
    elif model.balance != "none" and (model.head in ("majority", "prior", "mean", "log_product")):
        faults.append(f"{place.removesuffix('.params')}.balance: `{model.head}` fits nothing that could be balanced")
    return faults


def _tune_faults(params: Mapping[str, Any]) -> list[str]:
    """What parameters of `head: finetune` lack, or contradict one another in."""
    found = [] if "model" in params else ["model: name the checkpoint: a local path or an id of a hub"]
    longest, stride = params.get("max_length"), params.get("stride")
    if isinstance(stride, int) and stride and params.get("windows") != "mean":
        found.append("stride: belongs to `windows: mean`")
    # A window needs room for its special tokens, and must go on from the one before.
    elif isinstance(stride, int) and isinstance(longest, int) and stride > longest // 2:
        found.append(f"stride: must be at most half of max_length, {longest // 2} (given: {stride})")
    return found


def as_model(model: Model | Mapping[str, Any]) -> Model:
    """A `Model`, also from the mapping that a rule's params hold."""
    return model if isinstance(model, Model) else Model.model_validate(model)


def values_of(known: Mapping[str, Param], given: Mapping[str, Any]) -> dict[str, Any]:
    """Values with defaults filled in; lists of a search stay lists."""
    return {key: given.get(key, param.default) for key, param in known.items()}


def candidates(known: Mapping[str, Param], given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All combinations of the values given as lists, in the order given; one combination when none is."""
    values = values_of(known, given)
    axes = [value if known[key].search and isinstance(value, list) else [value] for key, value in values.items()]
    return [dict(zip(values, point, strict=True)) for point in itertools.product(*axes)]


def markdown(tables: Mapping[str, Mapping[str, Param]] | None = None) -> dict[str, str]:
    """Tables of parameters by name: those given, or of docs/models.md (head, `text`, `late: ` head, `choice`)."""
    if tables is not None:
        return {name: "\n".join(_rows(known)) for name, known in tables.items()}
    tables = {name: HEAD_PARAMS[name] for name in HEADS if HEAD_PARAMS[name]}
    tables["text"] = TEXT_PARAMS
    tables |= {f"late: {name}": known for name, known in FUSION_PARAMS.items()}
    tables["choice"] = SELECT_PARAMS
    return {name: "\n".join(_rows(known)) for name, known in tables.items()}


def _rows(known: Mapping[str, Param]) -> list[str]:
    lines = ["| parameter | default | values | meaning |", "|---|---|---|---|"]
    for key, param in known.items():
        default = (
            {None: "null", True: "true", False: "false"}.get(param.default, param.default)
            if not isinstance(param.default, (list, dict, float, int)) or isinstance(param.default, bool)
            else param.default
        )
        lists = "; or a list to choose from" if param.search else ""
        lines.append(f"| `{key}` | `{default}` | {param.allowed}{lists} | {param.doc} |")
    return lines
