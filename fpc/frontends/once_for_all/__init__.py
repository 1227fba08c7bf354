"""Supernets of Once-for-All (Cai et al. 2020): their checkpoints, and subnets cut out of them."""

from fpc.frontends.once_for_all.checkpoint import read_checkpoint
from fpc.frontends.once_for_all.cut import SubnetWeights

__all__ = ["SubnetWeights", "read_checkpoint"]
