"""Checkpoints of transformers: the one that fine-tuning begins with, and the one that it leaves.

The first is located and held against `models.lock` as all weights are (`core.weights`), and its body is loaded whole:
what its files lack would be random. The head on top is always new, also where the checkpoint has one.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from triptych.core import weights
from triptych.core.config import Model, Study
from triptych.core.files import read_json, replace_json
from triptych.encoders import pretrained
from triptych.learn.params import TUNE_PARAMS, table, values_of

PACKAGES = ("torch", "transformers")
#: What is kept beside the weights of a fine-tuned network.
FACTS = "training.json"
#: A tokenizer is one of these files.
_TOKENIZERS = ("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model", "spm.model")
#: Names that configurations have for the number of layers and of positions.
_LAYERS = ("num_hidden_layers", "n_layers", "n_layer", "encoder_layers", "num_layers")
_POSITIONS = ("max_position_embeddings", "n_positions")
#: Families whose positions begin behind the padding's.
_SHIFTED = {"roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "longformer", "xmod", "data2vec-text", "mpnet"}


class CheckpointError(ValueError):
    """A checkpoint that cannot be fine-tuned as the study asks; the message says why."""


def needs(section: Mapping[str, Any]) -> list[weights.Need]:
    """Weights of a model's section of the study file, as `triptych models` lists and fetches them."""
    params = section.get("params") or {}
    return [weights.Need(str(params.get("model") or ""), params.get("revision"))]


def located(params: Mapping[str, Any]) -> weights.Located:
    """The files of the checkpoint that a model's params name, held against `models.lock`.

    Raises:
        CheckpointError: they are not here, or not what they must be.
    """
    try:
        return weights.locate(params.get("model") or "", params.get("revision"))
    except weights.WeightsError as error:
        raise CheckpointError(str(error)) from error


def identity(model: Model) -> str:
    """What the weights are by content, for the parameters of a rule; empty where they are not here."""
    try:
        return located(model.params).identity
    except CheckpointError:
        return ""  # told by `triptych check`, and by the job


def faults(study: Study, installed: bool = True) -> list[str]:
    """What is wrong with the checkpoints of a study, before any job; nothing heavy is imported.

    Args:
        study: whose models are looked at; their parameters are valid each for itself.
        installed: packages must be importable here, not in environments of the jobs' own.
    """
    found = []
    for name, model in study.models.items():
        if model.head != "finetune":
            continue
        # What all networks need is told where they are (`networks.params`).
        if installed and importlib.util.find_spec("transformers") is None:
            how = 'pip install "triptych[models]"'
            found.append(f"models.{name}.head: finetune needs transformers, which is not installed; {how}")
        tasks = {task: study.tasks[task].multi_label for task in study.tasks if name in study.models_of(task)}
        found += [f"models.{name}.params.{one}" for one in [*_loss_faults(model, tasks), *_own_faults(model)]]
    return found


def _loss_faults(model: Model, tasks: Mapping[str, bool]) -> list[str]:
    from triptych.learn.networks.losses import MULTI, SINGLE

    loss = model.params.get("loss", "auto")
    if loss not in (*SINGLE, *MULTI):
        return []
    found = []
    for task, multi in tasks.items():
        kind, allowed = ("several labels", MULTI) if multi else ("one class", SINGLE)
        if loss not in allowed:
            found.append(f"loss: task {task!r} has {kind} a video: use {' or '.join(allowed)} (given: {loss!r})")
    return found


def _own_faults(model: Model) -> list[str]:
    if not all(param.check(model.params.get(key, param.default)) for key, param in table(model).items()):
        return []  # told by `validate`
    params = values_of(TUNE_PARAMS, model.params)
    try:
        folder = located(params).path
        config = read_json(folder / "config.json")
        kind = str(config["model_type"])
    except CheckpointError as error:
        return [f"model: {error}"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        told = "names no model_type" if isinstance(error, (KeyError, TypeError)) else f"cannot be read ({error})"
        return [f"model: {params['model']}: config.json {told}; is it a checkpoint of transformers?"]
    found = [f"model: {one}" for one in pretrained.lacking(folder, [_TOKENIZERS])]
    known = classifiers()
    if known and kind not in known:
        found.append(f"model: {params['model']} is a {kind}, of which transformers has no classifier of text")
    layers, positions = _first(config, _LAYERS), _first(config, _POSITIONS)
    if isinstance(params["freeze"], int) and layers and params["freeze"] > layers:
        found.append(f"freeze: {params['model']} has {layers} layers (given: {params['freeze']})")
    readable = positions - 2 * (kind in _SHIFTED) if positions else 0
    if readable and params["max_length"] and params["max_length"] > readable:
        found.append(f"max_length: {params['model']} reads {readable} tokens (given: {params['max_length']})")
    return found


def _first(config: Mapping[str, Any], names: Sequence[str]) -> int:
    found = [config[name] for name in names if isinstance(config.get(name), int)]
    return max(0, found[0]) if found else 0


@cache
def classifiers() -> frozenset[str]:
    """Types of models that transformers has a classifier of sequences of; empty where it does not tell.

    Its list is read from its source: importing it takes seconds.
    """
    spec = importlib.util.find_spec("transformers")
    try:
        path = Path(spec.submodule_search_locations[0]) / "models" / "auto" / "modeling_auto.py"
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [one.id for one in getattr(node, "targets", ()) if isinstance(one, ast.Name)]
            if "MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES" in names:
                return frozenset(name for name, _ in ast.literal_eval(node.value.args[0]))
    except (AttributeError, OSError, ValueError, SyntaxError, IndexError, TypeError):
        pass
    return frozenset()


def tokenizer_of(found: weights.Located) -> Any:
    """The checkpoint's tokenizer; one without a padding token pads with the token that ends a text.

    Raises:
        CheckpointError: none can be made of the folder, or it has neither token.
    """
    transformers = pretrained.libraries()
    try:
        made = transformers.AutoTokenizer.from_pretrained(
            str(found.path), local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError, ImportError) as error:
        raise CheckpointError(f"{found.model}: no tokenizer of transformers ({_line(error)})") from error
    if not made.is_fast:
        raise CheckpointError(f"{found.model}: its tokenizer cannot tell where it cuts a text (no `tokenizer.json`)")
    if made.pad_token is None:
        if made.eos_token is None:
            raise CheckpointError(f"{found.model}: its tokenizer has no token to pad with")
        made.pad_token = made.eos_token
    return made


def network_of(found: weights.Located, tokenizer: Any, labels: int, seed: int) -> Any:
    """A classifier on the checkpoint's body, in float32; its head is new, drawn by `seed`.

    Args:
        found: the checkpoint.
        tokenizer: its tokenizer.
        labels: number of outputs.
        seed: of what is drawn.

    Raises:
        CheckpointError: transformers has no classifier of this kind, or weights of the body are missing.
    """
    import pickle

    import torch
    from safetensors import SafetensorError

    transformers = pretrained.libraries()
    told = {"local_files_only": True, "trust_remote_code": False}
    torch.manual_seed(seed)
    try:
        config = transformers.AutoConfig.from_pretrained(str(found.path), num_labels=labels, **told)
        loaded, what = transformers.AutoModelForSequenceClassification.from_pretrained(
            str(found.path),
            config=config,
            dtype=torch.float32,
            use_safetensors=found.safetensors or None,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
            **told,
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError, pickle.UnpicklingError) as error:
        raise CheckpointError(f"{found.model}: cannot be loaded as a classifier ({_line(error)})") from error
    names = [str(one[0] if isinstance(one, (tuple, list)) else one) for one in what.get("mismatched_keys", ())]
    names += [str(one) for one in what["missing_keys"]]
    # Checkpoints of language models lack the pooling layer inside the body: it learns as the head does.
    within = f"{loaded.base_model_prefix}."
    lacking = sorted(one for one in names if one.startswith(within) and "pooler" not in one)
    if lacking:
        raise CheckpointError(
            f"{found.model}: the checkpoint lacks {len(lacking)} of the weights that {type(loaded).__name__} reads "
            f"({', '.join(lacking[:3])}{', ...' if len(lacking) > 3 else ''}); they would be random. "
            "Is it the model that its config.json names?"
        )
    # A classifier that is in the checkpoint was trained for other classes.
    torch.manual_seed(seed)
    made = type(loaded)(loaded.config)
    body(made).load_state_dict(body(loaded).state_dict())
    made.config.pad_token_id = tokenizer.pad_token_id
    return made


def body(network: Any) -> Any:
    """The part of a classifier that the checkpoint gives."""
    return getattr(network, network.base_model_prefix)


def freeze(network: Any, layers: int | str) -> None:
    """Keep the lowest layers of the body as they are, and with any of them all that lies below (embeddings).

    Args:
        network: the classifier.
        layers: how many, or `all` for the whole body.

    Raises:
        CheckpointError: it has fewer.
    """
    import torch

    lower = body(network)
    if layers == "all":
        lower.requires_grad_(False)
        return
    if not layers:
        return
    stacks = [one for one in lower.modules() if isinstance(one, torch.nn.ModuleList)]
    stack = max(stacks, key=len, default=())
    if layers > len(stack):
        raise CheckpointError(f"freeze: the checkpoint has {len(stack)} layers (given: {layers})")
    within = {id(module) for module in stack.modules()}
    for name, module in lower.named_modules():
        # Tables, and what is done to their sum (`embeddings.LayerNorm`).
        below = isinstance(module, torch.nn.Embedding) or name.rpartition(".")[2].startswith("embed")
        if below and id(module) not in within:
            module.requires_grad_(False)
    for layer in list(stack)[:layers]:
        layer.requires_grad_(False)


def save(folder: Path, network: Any, found: weights.Located, length: int, facts: Mapping[str, Any]) -> None:
    """Write a fine-tuned network into a new folder: safetensors, tokenizer, and what it was made with.

    Args:
        folder: that is not there yet.
        network: with a name for each output in its configuration.
        found: the checkpoint that it began with.
        length: tokens that it was trained on; the tokenizer cuts there.
        facts: JSON-able; no clock, no host, no path.
    """
    # A fresh tokenizer: the one that made the tokens keeps how it was called last.
    tokenizer = tokenizer_of(found)
    tokenizer.model_max_length = length
    network.save_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder))
    for name in ("config.json", "tokenizer_config.json"):
        path = folder / name
        told = json.loads(path.read_text(encoding="utf-8"))
        # Where the base lay on this machine is no part of what was made.
        replace_json(path, {key: value for key, value in told.items() if key not in ("_name_or_path", "name_or_path")})
    replace_json(folder / FACTS, dict(facts))


def _line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return re.sub(r"\s+", " ", lines[0])
