"""Vision transformers as blocks: patches to tokens, one block a transformer layer, and tokens to features."""

from __future__ import annotations

from typing import Any

import torch
from timm.layers import global_pool_nlc, resample_abs_pos_embed
from torch import Tensor, nn

from medgraft.models.decompose import Leaf, as_block


class TokenStem(nn.Module):
    """Images to tokens: patches, class and register tokens, and positions, which are resampled to any size.

    Parameters
    ----------
    model
        A vision transformer of timm's, built with ``dynamic_img_size``; its parts are shared.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.patch_embed = model.patch_embed
        self.cls_token, self.reg_token = model.cls_token, model.reg_token
        self.pos_embed = model.pos_embed
        self.pos_drop, self.patch_drop, self.norm_pre = model.pos_drop, model.patch_drop, model.norm_pre
        self.patches_only = bool(model.no_embed_class)

    def forward(self, images: Tensor) -> Tensor:
        """Map images [B, C, H, W] to tokens [B, N, D], class and register tokens first."""
        patches = self.patch_embed(images)
        grid = (patches.shape[1], patches.shape[2])
        tokens = patches.flatten(1, 2)
        extra = [
            token.expand(tokens.shape[0], -1, -1) for token in (self.cls_token, self.reg_token) if token is not None
        ]
        if self.pos_embed is None:
            tokens = torch.cat([*extra, tokens], dim=1)
        elif self.patches_only:
            tokens = torch.cat([*extra, tokens + self._positions(grid, 0)], dim=1)
        else:
            tokens = torch.cat([*extra, tokens], dim=1)
            tokens = tokens + self._positions(grid, sum(token.shape[1] for token in extra))
        embedded: Tensor = self.norm_pre(self.patch_drop(self.pos_drop(tokens)))
        return embedded

    def _positions(self, grid: tuple[int, int], extra: int) -> Tensor:
        known = self.patch_embed.grid_size
        positions: Tensor = resample_abs_pos_embed(
            self.pos_embed, new_size=list(grid), old_size=list(known), num_prefix_tokens=extra
        )
        if torch.jit.is_tracing():  # type: ignore[attr-defined, no-untyped-call]
            # They depend on the weights and the size alone, and ONNX has no operator for how they are resampled.
            return torch.from_numpy(positions.detach().numpy())
        return positions


class TokenPool(nn.Module):
    """Tokens [B, N, D] to features [B, D], as the model was pretrained: the class token, an average, or attention."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.attn_pool = model.attn_pool
        self.how, self.extra = str(model.global_pool), int(model.num_prefix_tokens)
        self.over_all = bool(model.pool_include_prefix)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens [B, N, D] to features [B, D]."""
        if self.attn_pool is None:
            pooled: Tensor = global_pool_nlc(
                tokens, pool_type=self.how, num_prefix_tokens=self.extra, reduce_include_prefix=self.over_all
            )
            return pooled
        attended: Tensor = self.attn_pool(tokens if self.over_all else tokens[:, self.extra :])
        return attended


def token_blocks(model: Any) -> tuple[list[nn.Sequential], list[str], list[Leaf]]:
    """Blocks and names of a vision transformer (ViT, DeiT, DINOv2), and the parts behind its last layer.

    The model has no classifier; its parts are shared. Raises AttributeError for a model that lacks one of them.
    """
    layers = [(f"blocks.{i}", layer) for i, layer in enumerate(model.blocks)]
    blocks = [as_block([("tokens", TokenStem(model))]), *(as_block([layer]) for layer in layers)]
    rest = [("norm", model.norm), ("pool", TokenPool(model)), ("fc_norm", model.fc_norm), ("drop", model.head_drop)]
    return blocks, ["stem", *(name for name, _ in layers)], rest
