"""Slow, obvious twins: one coalition, one example at a time, on a copy with edited weights."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest

torch = pytest.importorskip("torch")

PLACES = {
    "bert": ("encoder.layer", "attention.output.dense", "output.dense"),
    "roberta": ("encoder.layer", "attention.output.dense", "output.dense"),
    "distilbert": ("transformer.layer", "attention.out_lin", "ffn.lin2"),
    "gpt2": ("h", "attn.c_proj", "mlp.c_proj"),
    "gpt_neox": ("layers", "attention.dense", "mlp.dense_4h_to_h"),
    "llama": ("layers", "self_attn.o_proj", "mlp.down_proj"),
    "mistral": ("layers", "self_attn.o_proj", "mlp.down_proj"),
    "qwen2": ("layers", "self_attn.o_proj", "mlp.down_proj"),
    "gemma2": ("layers", "self_attn.o_proj", "mlp.down_proj"),
}


def projections(model):
    """(attention projection, MLP projection) of every layer."""
    layers, attention, mlp = PLACES[model.config.model_type]
    stack = model.base_model.get_submodule(layers)
    return [(layer.get_submodule(attention), layer.get_submodule(mlp)) for layer in stack]


def incoming(module):
    """The weight as (channels in, channels out), a view."""
    return module.weight if type(module).__name__ == "Conv1D" else module.weight.T


def silence(module):
    incoming(module).zero_()
    if module.bias is not None:
        module.bias.zero_()


def channels_of(module, component, n_heads):
    if component.kind == "neuron":
        return [component.index]
    size = len(incoming(module)) // n_heads
    return list(range(component.index * size, (component.index + 1) * size))


def edited(model, players, row, *, rescale=False):
    """A copy of the model without the components of the absent players."""
    model = deepcopy(model).eval()
    n_heads = model.config.num_attention_heads
    gone = {}
    with torch.no_grad():
        for player, present in zip(players, row, strict=True):
            for one in () if present else player.components:
                module = projections(model)[one.layer][one.kind in ("mlp", "neuron")]
                if one.kind in ("attention", "mlp"):
                    silence(module)
                else:
                    incoming(module)[channels_of(module, one, n_heads)] = 0.0
                    gone[one.layer] = gone.get(one.layer, 0) + 1
        for layer, count in gone.items() if rescale else ():
            left = n_heads - count
            incoming(projections(model)[layer][0]).mul_(n_heads / left if left else 1.0)
    return model


def run(model, ids):
    with torch.no_grad():
        return model(input_ids=torch.tensor([list(ids)]))


def read(game, model, inputs):
    """What the game's metric gives for each input, one at a time: (examples,)."""
    from shapiq_spex.games.components.ablated import Rows

    rows = [
        game.metric(run(model, ids), Rows(torch.tensor([list(ids)]), np.array([i])))
        for i, ids in enumerate(inputs)
    ]
    outputs = np.array([[np.asarray(row.double()).ravel() for row in rows]])
    aggregate = getattr(game.metric, "aggregate", lambda x: x[..., 0])
    return aggregate(outputs)[0]


def values(game, model, inputs, coalitions, **settings):
    """The values of coalitions by editing weights."""
    return np.array(
        [
            read(game, edited(model, game.players, row, **settings), inputs).mean()
            for row in coalitions
        ]
    )


def activations(model, ids, modules):
    """What goes into each module for one input, (tokens, channels)."""
    kept, handles = [], []
    model.eval()
    for module in modules:
        handles.append(module.register_forward_pre_hook(lambda _, args: kept.append(args[0][0])))
    run(model, ids)
    for handle in handles:
        handle.remove()
    return kept


def filled(game, ids, example, row, fill):
    """The metric of one example, with fill(layer, tokens) in the channels of absent heads."""
    from shapiq_spex.games.components.ablated import Rows

    model = deepcopy(game._local.model).eval()
    for player, present in zip(game.players, row, strict=True):
        (one,) = player.components
        module = projections(model)[one.layer][0]
        channels = channels_of(module, one, model.config.num_attention_heads)

        def replace(_, args, channels=channels, layer=one.layer):
            here = args[0].clone()
            here[0][:, channels] = fill(layer, here.shape[1])[:, channels]
            return (here,)

        if not present:
            module.register_forward_pre_hook(replace)
    output = run(model, ids)
    return float(game.metric(output, Rows(torch.tensor([list(ids)]), np.array([example])))[0])
