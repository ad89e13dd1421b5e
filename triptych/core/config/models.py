"""Sections of models."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from triptych.core.config.grid import Listed
from triptych.core.config.section import Name, Section

#: Classifiers on one matrix (scikit-learn or our own).
HEADS = (
    "svc",
    "linear_svc",
    "logistic",
    "mlp",
    "knn",
    "forest",
    "hist_gradient_boosting",
    "majority",
    "prior",
)
#: Networks on the rows of a sequence feature.
SEQUENCE_HEADS = ("conv1d", "attention_pool", "mean_pool")
#: How a late fusion joins its members.
FUSION_HEADS = ("mean", "log_product", "logistic")
#: How an intermediate fusion joins its branches.
JOINT_HEADS = ("concat", "gated", "bottleneck")


class Reduce(Section):
    """Reduction of each feature to a common width before the head, fitted on training rows."""

    use: Literal["pca", "autoencoder", "supervised"] = "pca"
    """`pca`; `autoencoder`: a network that rebuilds its input; `supervised`: the hidden layer of a classifier."""
    width: int = Field(64, ge=1, le=4096)
    """Numbers a feature that are left (fewer where the training fold has fewer videos)."""


class Decide(Section):
    """How probabilities become decisions, for tasks with several labels a video."""

    rule: Literal["fixed", "global", "per_label", "top_k"] = "fixed"
    """`fixed`: labels of at least `threshold`; `global`, `per_label`: one threshold, or one a label, chosen on inner
    validation; `top_k`: the `k` most probable labels."""
    threshold: float = Field(0.5, gt=0, lt=1)
    """For `fixed`: lowest probability of a label."""
    k: int | None = Field(None, ge=1)
    """For `top_k`: labels a video; chosen on inner validation by default."""

    @property
    def chosen(self) -> bool:
        """Whether thresholds, or the number of labels, are chosen on inner validation."""
        return self.rule in ("global", "per_label") or (self.rule == "top_k" and self.k is None)


class Model(Section):
    """A model (an experiment): a head on features or text, a fusion, or a choice among other models."""

    inputs: Annotated[list[Name], Listed()] = Field(default_factory=list)
    """Features that the head reads; several only with `fusion: early` or `intermediate`. A list of such lists makes a
    grid (a model for each combination), and so does a list in `head` and the like."""
    text: Annotated[list[str], Listed()] = Field(default_factory=list)
    """Text fields that the head reads (as an encoder's `text`), counted inside the training fold."""
    vectorizer: Annotated[Literal["tfidf", "counts"], Listed()] = "tfidf"
    """How text fields become vectors (`finetune` reads them as they are)."""
    head: Annotated[
        Literal[
            "svc",
            "linear_svc",
            "logistic",
            "mlp",
            "knn",
            "forest",
            "hist_gradient_boosting",
            "majority",
            "prior",
            "conv1d",
            "attention_pool",
            "mean_pool",
            "finetune",
            "mean",
            "log_product",
            "concat",
            "gated",
            "bottleneck",
        ],
        Listed(),
    ] = "logistic"
    """Classifier: of a matrix; of a sequence feature `conv1d`, `attention_pool`, `mean_pool`; of text `finetune`. For
    `fusion: late` how members are joined: `mean`, `log_product` or `logistic` (nested stacking). For `fusion:
    intermediate` how branches are joined: `concat`, `gated` or `bottleneck`."""
    params: dict[str, Any] = Field(default_factory=dict)
    """Parameters of the head, as its page in the docs names them."""
    fusion: Annotated[Literal["early", "intermediate", "late"] | None, Listed()] = None
    """`early`: block-scaled concatenation of the inputs; `intermediate`: a network with a branch an input, trained as
    one; `late`: members' probabilities."""
    members: Annotated[list[Name], Listed()] = Field(default_factory=list)
    """Models that a late fusion joins."""
    select: list[Name] = Field(default_factory=list)
    """Models of which the best by inner validation is taken in each training fold; it reads nothing else."""
    reduce: Reduce | None = None
    """Reduction of each input feature before the head; none by default."""
    decide: Decide = Field(default_factory=Decide)
    """How probabilities become decisions, for tasks with several labels a video."""
    balance: Annotated[Literal["none", "class_weight", "under+over"], Listed()] = "none"
    """How classes are balanced, inside the training fold only."""
    inner: int = Field(3, ge=2, le=20)
    """Inner folds of a stack, of a choice and of probability calibration (same groups)."""
    seeds: int | None = Field(None, ge=1, le=100)
    """How often everything is fitted with another seed; 5 for networks (`mlp` and
    reductions by networks too), 1 for other heads by default."""
    tasks: list[Name] | None = None
    """Tasks that this model is for; all by default."""
    allow_label_source: bool = False
    """Allow inputs from which the task's zero-shot labels were made (the report says so)."""

    @property
    def network(self) -> bool:
        """Whether this model is a PyTorch network of its own (`learn.networks`)."""
        return self.head in SEQUENCE_HEADS or self.head == "finetune" or self.fusion == "intermediate"

    @property
    def reads_members(self) -> bool:
        """Whether this model reads other models' predictions and nothing else."""
        return self.fusion == "late" or bool(self.select)

    @model_validator(mode="after")
    def _consistent(self) -> Model:
        for kind in ("inputs", "members", "text", "select"):
            if len(set(getattr(self, kind))) != len(getattr(self, kind)):
                raise ValueError(f"`{kind}` names something twice")
        if self.select:
            self._selects()
        elif self.fusion == "late":
            self._late()
        else:
            self._reads()
        if self.reduce is not None and (self.reads_members or not self.inputs or self.network):
            raise ValueError("`reduce` belongs to a head on features")
        if self.decide.k is not None and self.decide.rule != "top_k":
            raise ValueError("`decide.k` belongs to `rule: top_k`")
        if self.decide.threshold != 0.5 and self.decide.rule != "fixed":
            raise ValueError("`decide.threshold` belongs to `rule: fixed`")
        if self.select and self.decide != Decide():
            raise ValueError("a choice takes its models' decisions; give `decide` to them")
        return self

    def _selects(self) -> None:
        if len(self.select) < 2:
            raise ValueError("`select` needs at least two models to choose from")
        if self.inputs or self.text or self.members or self.fusion or self.head != "logistic":
            raise ValueError("`select` reads other models; leave out `inputs`, `text`, `members`, `fusion` and `head`")

    def _late(self) -> None:
        if len(self.members) < 2:
            raise ValueError("a late fusion needs at least two members")
        if self.inputs or self.text:
            raise ValueError("a late fusion reads its members; leave out `inputs` and `text`")
        if self.head not in FUSION_HEADS:
            raise ValueError(f"head of a late fusion must be one of {', '.join(FUSION_HEADS)}")

    def _reads(self) -> None:
        if self.members:
            raise ValueError("`members` belongs to `fusion: late`")
        if self.fusion == "intermediate":
            if self.head not in JOINT_HEADS:
                raise ValueError(f"head of an intermediate fusion must be one of {', '.join(JOINT_HEADS)}")
            if len(self.inputs) + bool(self.text) < 2:
                raise ValueError("an intermediate fusion needs at least two inputs")
            return
        if self.head in SEQUENCE_HEADS:
            if len(self.inputs) != 1 or self.text or self.fusion:
                raise ValueError(f"`{self.head}` reads one sequence feature (`pool: sequence`)")
            return
        if self.head == "finetune":
            if self.inputs or not self.text or self.fusion:
                raise ValueError("`finetune` reads text fields (`text: [transcript]`) and nothing else")
            return
        if self.head not in HEADS:
            raise ValueError(f"head must be one of {', '.join((*HEADS, *SEQUENCE_HEADS, 'finetune'))}")
        if self.head in ("majority", "prior"):
            if self.inputs or self.text:
                raise ValueError(f"the baseline `{self.head}` reads no inputs")
        elif self.fusion == "early":
            if len(self.inputs) + bool(self.text) < 2:
                raise ValueError("an early fusion needs at least two inputs")
        elif (len(self.inputs) == 1) == bool(self.text):
            raise ValueError("a head reads one feature (`inputs: [seen]`) or text fields (`text: [transcript]`)")
