"""Small models of every family whose components are players, and games about them."""

from __future__ import annotations

import numpy as np

from games.tiny_models import torch, transformers
from shapiq_spex import ComponentGame

torch.set_num_threads(1)

INPUTS = [(5, 9, 13, 7, 40), (6, 8, 30), (21, 22, 23, 24, 25), (50, 9, 9, 8)]
BODY = {"vocab_size": 60, "num_hidden_layers": 3, "num_attention_heads": 4, "hidden_size": 16}
WIDE = {**BODY, "intermediate_size": 24, "initializer_range": 0.4, "max_position_embeddings": 40}
GROUPED = {**WIDE, "num_key_value_heads": 2, "pad_token_id": 0}
CONFIGS = {
    "bert": lambda: transformers.BertConfig(**WIDE),
    "roberta": lambda: transformers.RobertaConfig(**WIDE),
    "distilbert": lambda: transformers.DistilBertConfig(
        vocab_size=60, dim=16, n_layers=3, n_heads=4, hidden_dim=24, initializer_range=0.4
    ),
    "gpt2": lambda: transformers.GPT2Config(
        vocab_size=60, n_embd=16, n_layer=3, n_head=4, n_positions=40, initializer_range=0.4
    ),
    "gpt_neox": lambda: transformers.GPTNeoXConfig(**WIDE),
    "llama": lambda: transformers.LlamaConfig(**GROUPED),
    "qwen2": lambda: transformers.Qwen2Config(**GROUPED),
    "mistral": lambda: transformers.MistralConfig(**GROUPED, sliding_window=3),
    "gemma2": lambda: transformers.Gemma2Config(**GROUPED, head_dim=6),
}
PLAYERS = {
    "heads": {},
    "upper heads": {"layers": [1, 2]},
    "top heads": {"layers": [2]},
    "mlps": {"players": "mlps"},
    "layers": {"players": "layers", "layers": [1, 2]},
    "attentions and neurons": {"players": ["attentions", ["L2.N0", "L1.N3"], "L2.N23"]},
    "mixture": {"players": {"early": ["L0.H0", "L1.MLP"], "late": ["L2.H1", "L2.H2"]}},
}


def margin(output, _rows):
    """A plain function as the metric: any output, any architecture."""
    states = output.logits if "logits" in output else output.last_hidden_state
    last = states[:, -1].float()
    return last[:, 3] - last[:, 5] ** 2


def model_of(kind, auto="AutoModel", **settings):
    torch.manual_seed(1)
    config = CONFIGS[kind]()
    for key, value in settings.items():
        setattr(config, key, value)
    model = getattr(transformers, auto).from_config(config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith("bias"):
                weight.normal_(0, 0.3)
    return model.train()


def make(kind="bert", metric=margin, model=None, **settings):
    model = model_of(kind) if model is None else model
    return ComponentGame(model, INPUTS, metric, **{"progress": False, "batch_size": 7, **settings})


def some(game, count=4, seed=0):
    rows = np.random.default_rng(seed).random((count, game.n_players)) < 0.5
    return np.concatenate([rows, [[False] * game.n_players, [True] * game.n_players]])


def assert_close(found, right):
    assert np.ptp(right) > 1e-3
    np.testing.assert_allclose(found, right, rtol=0, atol=1e-5 * max(1.0, np.ptp(right)))
