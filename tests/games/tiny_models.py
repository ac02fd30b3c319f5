"""Random models of a few thousand weights, and tokenizers trained on three sentences."""

from __future__ import annotations

from functools import cache

import pytest

tokenizers = pytest.importorskip("tokenizers")
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

TEXT = "the film never fails, and the cast is not bad"
CORPUS = [TEXT, "a good film with a bad end", "unbelievably good acting; never dull!"] * 3


SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@cache
def wordpiece_core():
    """Trained once, for training breaks ties at random."""
    t = tokenizers
    core = t.Tokenizer(t.models.WordPiece(unk_token="[UNK]"))
    core.pre_tokenizer = t.pre_tokenizers.BertPreTokenizer()
    core.train_from_iterator(
        CORPUS,
        t.trainers.WordPieceTrainer(vocab_size=60, special_tokens=SPECIAL, show_progress=False),
    )
    core.post_processor = t.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return core.to_str()


def wordpiece():
    """As BERT's: [CLS] ... [SEP], white space has no token."""
    pad, unk, cls, sep, mask = SPECIAL
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizers.Tokenizer.from_str(wordpiece_core()),
        pad_token=pad,
        unk_token=unk,
        cls_token=cls,
        sep_token=sep,
        mask_token=mask,
    )


@cache
def byte_level_core(*, special):
    """Trained once, as the other."""
    t = tokenizers
    core = t.Tokenizer(t.models.BPE())
    core.pre_tokenizer = t.pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = t.decoders.ByteLevel()
    trainer = t.trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<s>", "<pad>", "</s>", "<mask>"],
        initial_alphabet=t.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(CORPUS, trainer)
    if special:
        core.post_processor = t.processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    else:
        core.post_processor = t.processors.ByteLevel(trim_offsets=False)
    return core.to_str()


def byte_level(*, special):
    """As RoBERTa's (<s> ... </s>) or, without special tokens around the text, GPT-2's."""
    names = {"eos_token": "</s>"}
    if special:
        names |= {"bos_token": "<s>", "mask_token": "<mask>"}
    core = tokenizers.Tokenizer.from_str(byte_level_core(special=special))
    return transformers.PreTrainedTokenizerFast(tokenizer_object=core, **names)


TOKENIZERS = {
    "bert": wordpiece,
    "modernbert": wordpiece,
    "roberta": lambda: byte_level(special=True),
    "gpt2": lambda: byte_level(special=False),
}
SIZES = {
    "vocab_size": 400,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "initializer_range": 0.5,
}


def config_of(kind, **settings):
    settings = settings if "id2label" in settings else {"num_labels": 3, **settings}
    if kind == "bert":
        return transformers.BertConfig(**SIZES, max_position_embeddings=64, **settings)
    if kind == "modernbert":  # rotary positions; one of three layers sees more than its neighbours
        ids = {"pad_token_id": 0, "cls_token_id": 2, "sep_token_id": 3}
        sizes = {**SIZES, **ids, "num_hidden_layers": 3, "max_position_embeddings": 64}
        return transformers.ModernBertConfig(
            **sizes, local_attention=4, global_attn_every_n_layers=3, **settings
        )
    if kind == "roberta":
        return transformers.RobertaConfig(**SIZES, max_position_embeddings=66, **settings)
    return transformers.GPT2Config(
        vocab_size=400,
        n_embd=16,
        n_layer=2,
        n_head=2,
        n_positions=64,
        initializer_range=0.5,
        **{"pad_token_id": None, "bos_token_id": 0, "eos_token_id": 2, **settings},
    )


def tiny(kind, *, padding_side="right", **settings):
    """A random classifier in training mode, as a careless user might hand it over."""
    torch.manual_seed(0)
    auto, tokenizer = transformers.AutoModelForSequenceClassification, TOKENIZERS[kind]()
    tokenizer.padding_side = padding_side
    return auto.from_config(config_of(kind, **settings)).train(), tokenizer


LAYERS = {"num_hidden_layers": 2, "num_attention_heads": 4, "initializer_range": 0.3}
WIDTHS = {"vocab_size": 400, "hidden_size": 32, "intermediate_size": 48}
ENDS = {"bos_token_id": 0, "eos_token_id": 2}
ROTARY = {**LAYERS, **WIDTHS, **ENDS, "num_key_value_heads": 2, "max_position_embeddings": 256}
T5 = {"vocab_size": 400, "d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4}
LANGUAGE_MODELS = {
    "gpt2": lambda: transformers.GPT2Config(
        vocab_size=400,
        n_embd=32,
        n_layer=2,
        n_head=4,
        n_positions=256,
        initializer_range=0.3,
        **ENDS,
    ),
    "llama": lambda: transformers.LlamaConfig(**ROTARY),
    "qwen2": lambda: transformers.Qwen2Config(**ROTARY),
    "mistral": lambda: transformers.MistralConfig(**ROTARY, sliding_window=8),
    "gemma2": lambda: transformers.Gemma2Config(  # one layer with a window, one without
        **ROTARY, sliding_window=8, head_dim=8, query_pre_attn_scalar=8, pad_token_id=None
    ),
    "t5": lambda: transformers.T5Config(
        **T5, initializer_factor=2.0, decoder_start_token_id=1, pad_token_id=1, eos_token_id=2
    ),
}
CAUSAL = [name for name in LANGUAGE_MODELS if name != "t5"]


def language_model(kind, *, padding_side="right"):
    """A random language model in training mode, and a byte-level tokenizer."""
    torch.manual_seed(0)
    seq2seq = kind == "t5"
    auto = transformers.AutoModelForSeq2SeqLM if seq2seq else transformers.AutoModelForCausalLM
    tokenizer = byte_level(special=seq2seq)
    tokenizer.padding_side = padding_side
    return auto.from_config(LANGUAGE_MODELS[kind]()).train(), tokenizer
