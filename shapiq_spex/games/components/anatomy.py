"""The parts of a transformers model that can be players: heads, neurons, MLPs, whole layers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter, index
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from shapiq_spex.games.models.local import text_config

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Anatomy", "Component", "ComponentPlayer", "Components", "make_component_players"]

Kind = Literal["head", "attention", "neuron", "mlp"]
Components: TypeAlias = "str | Sequence[str | Sequence[str]] | Mapping[str, Sequence[str]]"

# Where a layer of each family has the output projections of its attention and of its MLP.
_LAYOUTS = (
    ("attention.output.dense", "output.dense"),  # BERT, RoBERTa, ELECTRA, MiniLM
    ("attention.out_lin", "ffn.lin2"),  # DistilBERT
    ("attn.c_proj", "mlp.c_proj"),  # GPT-2
    ("attention.dense", "mlp.dense_4h_to_h"),  # GPT-NeoX
    ("self_attn.o_proj", "mlp.down_proj"),  # Llama, Qwen, Mistral, Gemma
)
_FAMILIES = "BERT, RoBERTa, DistilBERT, GPT-2, GPT-NeoX and Llama, Qwen, Mistral or Gemma"
_LETTERS: dict[str, Kind] = {"H": "head", "N": "neuron", "ATTN": "attention", "MLP": "mlp"}
_NAME = re.compile(r"L(\d+)(?:\.(?:(H|N)(\d+)|(ATTN|MLP)))?")
_KINDS = ("heads", "attentions", "mlps", "neurons", "layers")


@dataclass(frozen=True)
class Component:
    """A part of one layer.

    Attributes:
        layer: The number of the layer, from 0.
        kind: "head", "attention" (all heads and what the projection adds), "neuron" (of the MLP)
            or "mlp".
        index: The number of the head or the neuron.
    """

    layer: int
    kind: Kind
    index: int = 0


@dataclass(frozen=True)
class ComponentPlayer:
    """Components that are present or absent as a whole.

    Attributes:
        name: "L2.H5" is head 5 of layer 2, "L2.N7" a neuron, "L2.ATTN" and "L2.MLP" are the two
            blocks of a layer, "L2" is both of them. The members of a group are joined with "+"
            unless it was given a name.
        components: The components, in order.
    """

    name: str
    components: tuple[Component, ...]

    @property
    def layer(self) -> int:
        """The lowest layer it has a component in."""
        return min(component.layer for component in self.components)


@dataclass(frozen=True)
class Anatomy:
    """The layers of a model and the two output projections in each.

    Attributes:
        layers: The layers, lowest first.
        attentions: The output projection of the attention of each layer, None where there is none.
        mlps: The output projection of the MLP of each layer, None where there is none.
        n_heads: The number of (query) heads of every attention.
    """

    layers: tuple[Any, ...]
    attentions: tuple[Any | None, ...]
    mlps: tuple[Any | None, ...]
    n_heads: int

    @classmethod
    def of(cls, model: Any) -> Anatomy:
        """Find the layers of a model.

        Raises:
            ValueError: If the model is of none of the families known.
        """
        stacks = [] if getattr(model.config, "is_encoder_decoder", False) else _stacks(model)
        n_heads = getattr(text_config(model), "num_attention_heads", None)
        if len(stacks) != 1 or not isinstance(n_heads, int):
            msg = (
                f"ComponentGame knows models with one stack of layers like those of {_FAMILIES}, "
                f"but {type(model).__name__} is built in another way; give one of these."
            )
            raise ValueError(msg)
        layers, layout = stacks[0]
        attentions, mlps = ([_part(layer, path) for layer in layers] for path in layout)
        return cls(tuple(layers), tuple(attentions), tuple(mlps), n_heads)

    def components(self, kind: str, layer: int) -> tuple[Component, ...]:
        """The components of a layer that "heads", "attentions", "mlps" or "neurons" stands for."""
        attention, mlp = self.attentions[layer], self.mlps[layer]
        if kind == "heads" and attention is not None:
            return tuple(Component(layer, "head", i) for i in range(self.n_heads))
        if kind == "attentions" and attention is not None:
            return (Component(layer, "attention"),)
        if kind == "mlps" and mlp is not None:
            return (Component(layer, "mlp"),)
        if kind == "neurons" and mlp is not None:
            return tuple(Component(layer, "neuron", i) for i in range(channels(mlp)))
        return ()


def make_component_players(
    anatomy: Anatomy, players: Components, layers: Iterable[int] | int | None = None
) -> tuple[ComponentPlayer, ...]:
    """Return the players that ``players`` stands for, in order.

    Args:
        anatomy: The model's.
        players: "heads", "attentions", "mlps", "neurons" or "layers": each of them is a player. Or
            a list, in which such a word stands for all of its kind, a name such as "L2.H5" for one
            component and a list of names for a group. Or a dictionary of groups {name: list}.
        layers: The layers, or the one layer, that the words for kinds are about; by default all.

    Raises:
        ValueError: If there is no such component or layer, if a component belongs to two players,
            or if there is no player at all.
    """
    chosen = _chosen_layers(anatomy, layers)
    if isinstance(players, str):
        players = [players]
    if not isinstance(players, dict):
        made = [each for item in players for each in _players_of(anatomy, item, chosen)]
    else:
        made = [_group(anatomy, names, name) for name, names in players.items()]
    if not made:
        msg = f"ComponentGame found no player for {players!r}: the model has no such components."
        raise ValueError(msg)
    _refuse_overlaps(made)
    return tuple(made)


def channels(projection: Any) -> int:
    """How many channels go into a projection, which is a Linear or a Conv1D of transformers."""
    width = getattr(projection, "in_features", None)
    return int(projection.nx if width is None else width)


def _stacks(model: Any) -> list[tuple[Any, tuple[str, str]]]:
    """Lists of layers in which some layer has a known attention."""
    lists = [m for m in model.base_model.modules() if type(m).__name__ == "ModuleList"]
    return [
        (layers, layout)
        for layers in lists
        for layout in _LAYOUTS
        if any(_part(layer, layout[0]) is not None for layer in layers)
    ]


def _part(module: Any, path: str) -> Any | None:
    try:
        found = attrgetter(path)(module)
    except AttributeError:
        return None
    return found if hasattr(found, "in_features") or hasattr(found, "nx") else None


def _chosen_layers(anatomy: Anatomy, layers: Iterable[int] | int | None) -> list[int]:
    count = len(anatomy.layers)
    given: Any = range(count) if layers is None else layers
    try:
        chosen = {index(layer) for layer in (given if isinstance(given, Iterable) else [given])}
    except TypeError:
        chosen = {-1}
    if not chosen <= set(range(count)):
        msg = f"The layers of this model are numbered 0 to {count - 1}, but got {given!r}."
        raise ValueError(msg)
    return sorted(chosen)


def _players_of(anatomy: Anatomy, item: Any, layers: list[int]) -> list[ComponentPlayer]:
    if not isinstance(item, str):
        return [_group(anatomy, item)]
    if item == "layers":
        return [_group(anatomy, [f"L{layer}"]) for layer in layers]
    if item in _KINDS:
        found = [one for layer in layers for one in anatomy.components(item, layer)]
        return [ComponentPlayer(_name(one), (one,)) for one in found]
    return [_group(anatomy, [item])]


def _group(anatomy: Anatomy, names: Sequence[str], name: str | None = None) -> ComponentPlayer:
    names = [names] if isinstance(names, str) else list(names)
    components = tuple(one for each in names for one in _named(anatomy, each))
    if not components:
        msg = "A group of components needs at least one name, such as 'L2.H5', but got none."
        raise ValueError(msg)
    return ComponentPlayer(name or "+".join(names), components)


def _named(anatomy: Anatomy, name: str) -> tuple[Component, ...]:
    """The components a name stands for: one, or two if it is that of a layer."""
    match = _NAME.fullmatch(name) if isinstance(name, str) else None
    layer = int(match[1]) if match else -1
    found: tuple[Component, ...] = ()
    if match and layer < len(anatomy.layers):
        if letters := match[2] or match[4]:
            kind = _LETTERS[letters]
            wanted = Component(layer, kind, int(match[3] or 0))
            found = tuple(x for x in anatomy.components(f"{kind}s", layer) if x == wanted)
        else:
            found = anatomy.components("attentions", layer) + anatomy.components("mlps", layer)
    if not found:
        msg = (
            f"This model has no component {name!r}: it has layers L0 to L{len(anatomy.layers) - 1} "
            f"with heads H0 to H{anatomy.n_heads - 1}, named like 'L0.H1', 'L0.ATTN', 'L0.MLP', "
            f"'L0.N7' (a neuron) or 'L0'; all of a kind are {', '.join(map(repr, _KINDS))}."
        )
        raise ValueError(msg)
    return found


def _name(component: Component) -> str:
    letters = next(key for key, kind in _LETTERS.items() if kind == component.kind)
    numbered = component.kind in ("head", "neuron")
    return f"L{component.layer}.{letters}" + (str(component.index) if numbered else "")


def _refuse_overlaps(players: list[ComponentPlayer]) -> None:
    """A head belongs to its attention, a neuron to its MLP."""
    taken: dict[Component, str] = {}
    for player in players:
        for one in player.components:
            if one in taken:
                _refuse_overlap(one, player.name, taken[one])
            taken[one] = player.name
    for one, name in taken.items():
        whole: Kind | None = {"head": "attention", "neuron": "mlp"}.get(one.kind)  # type: ignore[assignment]
        if whole and (other := taken.get(Component(one.layer, whole))):
            _refuse_overlap(one, name, other)
    if len({player.name for player in players}) < len(players):
        msg = (
            "Every player needs a name of its own; give groups as a dictionary {name: components}."
        )
        raise ValueError(msg)


def _refuse_overlap(one: Component, player: str, other: str) -> None:
    msg = (
        f"A component can belong to one player, but {_name(one)} belongs to {player!r} and to "
        f"{other!r}; leave it out of one of them."
    )
    raise ValueError(msg)
