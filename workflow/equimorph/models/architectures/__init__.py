"""Architectures, one module each, found by name: a training depends on its own alone.

A module has `build(arguments, classes)`, which returns its network, the weights not yet drawn; the
arguments are those of its row in `study.models.ARCHITECTURES`. The network

- maps pixel values (B, 3, size, size), 0 to 255, to logits (B, classes);
- has a `CircularMask` called `mask` and applies it to what `normalise`, a `Normalise`, returns:
  `registry.build` puts the study's mask and normalisation in their places;
- may have `initialise(generator)`, where its weights are not drawn as all others'.
"""
