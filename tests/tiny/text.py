"""Tiny random models of text, of the true classes, with a tokenizer trained on a few sentences."""

from pathlib import Path

from triptych.core import torchvision

SENTENCES = [
    "a dog barks in the garden and a cat sleeps",
    "share prices fell on monday after the news of the bank",
    "trains run late in lyon because of snow and ice",
    "the sea was calm and the ships sailed to the islands",
    "number one two three four five six seven eight nine ten of a talk about grass hay and rain",
]
WIDTH = 32


def tokenizer(longest: int = 64):
    """A WordPiece tokenizer, uncased."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    special = ["[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]"]  # padding is 1, as MPNet has it
    made.train_from_iterator(SENTENCES, trainers.WordPieceTrainer(vocab_size=300, special_tokens=special))
    ends = [(name, made.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    made.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", "[CLS] $A [SEP] $B [SEP]", ends)
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        model_max_length=longest,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_input_names=["input_ids", "attention_mask"],
    )


def build_distilbert(folder: Path, longest: int = 64, spread: float = 0.02) -> Path:
    """A DistilBERT of width 32 that reads `longest` tokens; with a larger `spread` of its weights it learns sooner."""
    torchvision.mend()
    import torch
    from transformers import DistilBertConfig, DistilBertModel

    torch.manual_seed(1)
    words = tokenizer(longest)
    config = DistilBertConfig(
        vocab_size=len(words),
        dim=WIDTH,
        n_layers=2,
        n_heads=4,
        hidden_dim=64,
        initializer_range=spread,
        max_position_embeddings=longest,
        pad_token_id=words.pad_token_id,
    )
    return _saved(folder, DistilBertModel(config), words)


def build_of_kind(folder: Path, kind: str, longest: int = 32) -> Path:
    """A BERT (which reads types of tokens), a RoBERTa (whose positions begin behind the padding's) or a GPT-2.

    The GPT-2 has no token to pad with, only one that ends texts.
    """
    torchvision.mend()
    import torch
    from transformers import BertConfig, BertModel, GPT2Config, GPT2Model, RobertaConfig, RobertaModel

    torch.manual_seed(3)
    words = tokenizer(longest)
    small = {"hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    small |= {"vocab_size": len(words), "pad_token_id": words.pad_token_id, "initializer_range": 0.1}
    if kind == "bert":
        words.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
        return _saved(folder, BertModel(BertConfig(**small, max_position_embeddings=longest)), words)
    if kind == "roberta":
        return _saved(folder, RobertaModel(RobertaConfig(**small, max_position_embeddings=longest + 2)), words)
    words.eos_token, words.pad_token = "[SEP]", None
    ends = {"bos_token_id": None, "eos_token_id": words.eos_token_id}
    config = GPT2Config(vocab_size=len(words), n_embd=WIDTH, n_layer=2, n_head=4, n_positions=longest, **ends)
    return _saved(folder, GPT2Model(config), words)


def build_mpnet(folder: Path, longest: int = 64) -> Path:
    """An MPNet of width 32, whose table of positions has two rows more than it can read tokens; no stated limit."""
    torchvision.mend()
    import torch
    from transformers import MPNetConfig, MPNetModel

    torch.manual_seed(2)
    words = tokenizer(longest)
    words.model_max_length = int(1e30)
    config = MPNetConfig(
        vocab_size=len(words),
        hidden_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=longest + 2,
        pad_token_id=1,
    )
    return _saved(folder, MPNetModel(config), words)


def build_sentence(folder: Path, longest: int = 48) -> Path:
    """A model of sentence-transformers: an MPNet, the mean of its tokens, vectors of length 1."""
    torchvision.mend()
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    inner = build_mpnet(folder.with_name(folder.name + "-inner"))
    first = Transformer(str(inner), max_seq_length=longest)
    made = SentenceTransformer(modules=[first, Pooling(WIDTH), Normalize()], device="cpu")
    made.save(str(folder))
    return folder


def _saved(folder: Path, network, words) -> Path:
    network.eval().save_pretrained(folder)
    words.save_pretrained(folder)
    return folder
