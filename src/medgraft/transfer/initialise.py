"""Initialisations of an encoder: its weights, their statistics alone, random values, or weights up to a block.

What the published definitions say, and where this file goes another way:

``ST``, statistics (Matsoukas et al. 2022, arXiv:2203.01825, and the code published with it). Each weight, and each
bias, of a convolution or linear layer is drawn i.i.d. from a normal distribution with the mean and standard deviation
of that tensor; batch and layer norms go back to their defaults (scale 1, shift 0, running mean 0, running variance 1).
The patch embedding is a convolution and is redrawn as such. In their code the class token, the position embeddings and
the tables of relative positions of Swin keep their *pretrained* values, as no layer of those two kinds owns them. Here
they are redrawn from their own mean and standard deviation too, and so are layer scales: a learnt grid of positions is
a feature, and what is called statistics must hold none. The standard deviation is that of all n values (theirs divides
by n - 1), so that a tensor of one value is kept and not undefined. Theirs are redrawn before the first convolution is
adapted to other channels, here after it, so that the tensor that learns has the moments of the one that would have.

``mean_var`` (Raghu et al. 2019, arXiv:1902.07208, section 5). The weights of each layer are drawn i.i.d. from a normal
distribution with the mean and variance of that layer's pretrained weights. All parameters of batch norms start at the
identity, which the first version of the paper found slightly better than redrawing them, and copying them worst. So far
that is ``ST``. The difference is the biases: the paper speaks of weights, and its convolutions have none, each being
followed by a batch norm. Here they start at 0, as the shifts of those norms do, where ``ST`` redraws them. For an
encoder without biases outside its norms, such as ResNet-50, the two are therefore the same, to the last bit.

``RI``, random: what timm (or :mod:`medgraft.models.cbr`) gives a new model, with ``torch``'s generator at the seed.

``WT-ST-n``: the first n blocks keep their pretrained weights and norms, the others are as under ``ST``. The blocks are
those of :attr:`medgraft.models.Encoder.blocks`; the papers cut their own models at points of their own.

``slim-n`` has another structure, and is built by :mod:`medgraft.models.slim`.

Everything that is redrawn comes from numpy's Philox generator with a key of the seed and the tensor's name. So a value
depends on nothing else: not on the order, the other blocks, the state of any generator, or the machine.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from medgraft.draws import normal_like
from medgraft.errors import RecipeError, counted
from medgraft.initialisation import Initialisation
from medgraft.models import Encoder, FeatureEncoder, ModelSpec, Weights, build_model
from medgraft.models.encoder import create_encoder
from medgraft.models.features import create_feature_encoder
from medgraft.models.normalise import NormaliseWithOnes
from medgraft.transfer.parts import encoder_of, is_norm

__all__ = ["Initialisation", "initialise", "starting_model"]

_NORM_DEFAULTS = {"weight": 1.0, "bias": 0.0, "running_mean": 0.0, "running_var": 1.0, "num_batches_tracked": 0.0}


def initialise(encoder: Encoder, initialisation: Initialisation, seed: int) -> None:
    """Bring an encoder that holds its pretrained weights to where it is to start from, in place.

    Parameters
    ----------
    encoder
        With pretrained weights. Its normalisation of images stays as it is, so that only weights differ.
    initialisation
        Anything but ``slim``, which is another structure (``ModelSpec.slim``).
    seed
        Of all that is drawn. The state of torch's and numpy's generators is neither read nor changed.

    Raises
    ------
    RecipeError
        Where more blocks are to keep their weights than there are.

    Examples
    --------
    >>> from medgraft.models import create_feature_encoder
    >>> encoder = create_feature_encoder("resnet18")
    >>> initialise(encoder, Initialisation.parse("WT-ST-2"), seed=0)
    """
    if initialisation.kind == "slim":
        raise ValueError("a slim encoder has another structure: build it by ModelSpec(slim=n)")
    if initialisation.kind == "RI":
        _randomise(encoder, seed)
        return
    with torch.no_grad():
        for index in range(_kept(encoder, initialisation), len(encoder.blocks)):
            for path, module in encoder.blocks[index].named_modules(prefix=f"blocks.{index}"):
                _restart(path, module, encoder, initialisation.kind == "mean_var", seed)


def starting_model(spec: ModelSpec, weights: Weights | None, initialisation: Initialisation, seed: int) -> nn.Module:
    """Build the model of ``spec`` as a training finds it; its head or decoder is the same for every initialisation.

    Parameters
    ----------
    weights
        Pretrained weights of the encoder; not used for ``RI``.
    seed
        Of all that is drawn. Torch's generator is left where the head's weights were drawn.
    """
    torch.manual_seed(seed)
    model = build_model(spec, weights if initialisation.pretrained else None)
    encoder = encoder_of(model)
    if encoder is not None and initialisation.kind not in ("RI", "slim"):
        initialise(encoder, initialisation, seed)
    return model


def _kept(encoder: Encoder, initialisation: Initialisation) -> int:
    """How many blocks, from the input, keep their weights."""
    kept = initialisation.keeps(len(encoder.blocks))
    if kept > len(encoder.blocks):
        raise RecipeError(
            f"init: {initialisation} keeps {counted(kept, 'block')}, and encoder {encoder.name} has "
            f"{len(encoder.blocks)}: {', '.join(encoder.block_names)}."
        )
    return kept


def _restart(path: str, module: nn.Module, encoder: Encoder, biases_at_zero: bool, seed: int) -> None:
    """Redraw the tensors that a module itself owns, or reset those of a norm."""
    own = dict(module.named_parameters(recurse=False))
    if is_norm(module):
        for name, tensor in [*own.items(), *module.named_buffers(recurse=False)]:
            tensor.fill_(_NORM_DEFAULTS.get(name, 0.0))
        return
    for name, tensor in own.items():
        if biases_at_zero and name == "bias" and isinstance(module, nn.Linear | nn.modules.conv._ConvNd):
            tensor.zero_()
            continue
        for key, values in _populations(f"{path}.{name}", tensor, module, encoder):
            values.copy_(torch.from_numpy(normal_like(values.cpu().float().contiguous().numpy(), key, seed)))


def _populations(name: str, tensor: Tensor, module: nn.Module, encoder: Encoder) -> Iterator[tuple[str, Tensor]]:
    """What has moments of its own: the tensor, or in a grey first convolution each of its two planes.

    The second plane stands for a constant and not for the image (see ``NormaliseWithOnes``); its weights are several
    times smaller, and one standard deviation for both would fit neither.
    """
    adapted = isinstance(encoder.normalise, NormaliseWithOnes) and name.startswith("blocks.0.")
    if adapted and isinstance(module, nn.Conv2d) and module.in_channels == 2 and name.endswith(".weight"):
        yield f"{name}[grey]", tensor[:, 0]
        yield f"{name}[ones]", tensor[:, 1]
    else:
        yield name, tensor


def _randomise(encoder: Encoder, seed: int) -> None:
    create = create_feature_encoder if isinstance(encoder, FeatureEncoder) else create_encoder
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        twin = create(encoder.name, encoder.in_channels, None, encoder.adapt, encoder.mean, encoder.std)
    encoder.load_state_dict(twin.state_dict())
