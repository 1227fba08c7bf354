"""How accuracy follows resolution where a table has only one.

Networks trained at several resolutions show that the logarithm of the error rate, 100 % less top-1,
is much the same function of the resolution for narrow and wide networks. That function is fitted
on one family and lent to others, and what it predicts is flagged as outside the measured range.
"""

from __future__ import annotations

import math
from importlib.resources import files
from pathlib import Path

from pydantic import BaseModel, ConfigDict


class ResolutionEffect(BaseModel):
    """log(error at r / error at 224) = slope t + curvature t², t = log2(224 / r)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    slope: float
    curvature: float
    half_width: float
    """Half the 90 % interval of the logarithm, for each octave."""
    least: int
    most: int
    """The resolutions it was fitted on."""
    source: str

    def log_ratio(self, resolution: float, reference: float) -> tuple[float, float]:
        """The logarithm of the ratio of errors, `resolution` to `reference`; half its interval."""
        octaves = abs(math.log2(reference / resolution))
        ratio = self._log_error(resolution) - self._log_error(reference)
        return ratio, self.half_width * octaves

    def _log_error(self, resolution: float) -> float:
        t = math.log2(224.0 / resolution)
        return self.slope * t + self.curvature * t * t


def shipped_effect() -> ResolutionEffect:
    """The effect that comes with fpc."""
    path = Path(str(files("fpc.search") / "coefficients" / "resolution.json"))
    return ResolutionEffect.model_validate_json(path.read_bytes())
