"""The vision transformer that S4 trains from scratch (Dosovitskiy et al. 2021)."""

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from equimorph.models.head import CircularMask, Normalise
from equimorph.models.initialisation import draw_default
from equimorph.models.limits import check_tokens


def build(arguments: dict[str, Any], classes: int) -> nn.Module:
    """Build the network from a specification's arguments."""
    return VisionTransformer(classes=classes, **arguments)


class VisionTransformer(nn.Module):
    """Linear tokens from square patches, pre-norm encoder, classifier on the class token.

    The positions are learned and added to the patches alone; the class token has none, as in S4.
    Dropout acts on the attention weights and in the feed-forward part, but neither on the positions
    nor on the output of the attention. There are 5,238,538 parameters at 200 px, patch 25, dim 256,
    8 heads, MLP 1024, 6 layers and ten classes.
    """

    def __init__(
        self,
        patch: int,
        dim: int,
        heads: int,
        mlp: int,
        layers: int,
        dropout: float,
        input_size: int,
        classes: int,
    ):
        """Build the network.

        Args:
            patch: side of a patch in px; it divides `input_size`.
            dim: width of a token; `heads` divides it.
            heads: attention heads per layer.
            mlp: hidden width of the feed-forward part.
            layers: number of encoder layers.
            dropout: probability.
            input_size: side of the images in px.
            classes: number of logits.

        Raises:
            InputError: `patch` does not divide `input_size`, or `heads` not `dim`.
        """
        super().__init__()
        check_tokens(patch, input_size, dim, heads)
        self.patch = patch
        self.normalise, self.mask = Normalise(), CircularMask(input_size)
        self.embedding = nn.Linear(3 * patch**2, dim)
        self.positions = nn.Parameter(torch.zeros((input_size // patch) ** 2, dim))
        self.class_token = nn.Parameter(torch.zeros(dim))
        self.encoder = nn.Sequential(
            *(_EncoderLayer(dim, heads, mlp, dropout) for _ in range(layers))
        )
        self.norm = nn.LayerNorm(dim)
        self.classifier = nn.Linear(dim, classes)

    def initialise(self, generator: torch.Generator) -> None:
        """Draw class token and positions from N(0, 1) as S4 does, all else as by default."""
        for tokens in (self.class_token, self.positions):
            nn.init.normal_(tokens, generator=generator)
        draw_default(self, generator)
        for module in self.modules():
            if isinstance(module, nn.LayerNorm):
                module.reset_parameters()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map (B, 3, size, size) pixel values 0-255 to (B, classes) logits."""
        maps = self.mask(self.normalise(images))
        patches = functional.unfold(maps, self.patch, stride=self.patch).transpose(1, 2)
        tokens = self.embedding(patches) + self.positions
        class_tokens = self.class_token.expand(len(tokens), 1, -1)
        encoded = self.encoder(torch.cat([class_tokens, tokens], dim=1))
        return self.classifier(self.norm(encoded[:, 0]))


class _EncoderLayer(nn.Module):
    """Attention and feed-forward part, each on normalised tokens and added to them."""

    def __init__(self, dim: int, heads: int, mlp: int, dropout: float):
        super().__init__()
        self.attention = nn.Sequential(nn.LayerNorm(dim), _Attention(dim, heads, dropout))
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(dim),
            nn.Linear(dim, mlp),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(mlp, dim),
            nn.Dropout(dropout),
        )

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        tokens = tokens + self.attention(tokens)
        return tokens + self.feed_forward(tokens)


class _Attention(nn.Module):
    """Multi-head self-attention (Vaswani et al. 2017).

    torch's own layer skips its linear modules in evaluation, and their cost would not be counted;
    its fused kernel draws the dropout where processes that share a batch cannot follow.
    """

    def __init__(self, dim: int, heads: int, dropout: float):
        super().__init__()
        self.heads = heads
        self.queries_keys_values = nn.Linear(dim, 3 * dim)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(dim, dim)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        batch, length, dim = tokens.shape
        split = self.queries_keys_values(tokens).unflatten(2, (3, self.heads, dim // self.heads))
        queries, keys, values = split.permute(2, 0, 3, 1, 4)
        weights = (queries @ keys.mT * queries.shape[-1] ** -0.5).softmax(dim=-1)
        mixed = self.dropout(weights) @ values
        return self.output(mixed.transpose(1, 2).reshape(batch, length, dim))
