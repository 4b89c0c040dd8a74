"""Describe networks before they are trained: what they cost and which symmetry they have."""

import time
from collections.abc import Mapping
from typing import Any

import torch

from equimorph.evaluation.equivariance import equivariance_error
from equimorph.models.counting import count_macs, count_parameters, peak_activation_memory
from equimorph.models.registry import build, initialise
from equimorph.models.specification import symmetry
