#!/usr/bin/env bash
# escnn declares SO(3) packages that do not install here and that planar groups do not need.
set -euo pipefail
python -m pip install --no-deps escnn==1.0.11
