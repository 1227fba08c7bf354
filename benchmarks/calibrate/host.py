"""Ships a machine's prices as those of `host`: `python -m benchmarks.calibrate.host FOLDER`.

FOLDER is that of `benchmarks.calibrate`. Its samples are fitted again, so that the file follows the
features. Whoever predicts on another machine is told whose prices these are.
"""

from __future__ import annotations

import sys
from importlib.resources import files
from pathlib import Path

from fpc.costmodel.families import AUTO
from fpc.costmodel.library import Wanted
from fpc.driver.measure.calibrate import fit_drawn
from fpc.measure.samples.database import SampleDatabase

FILE = "host-litert-int8.json"


def main() -> None:
    """Write the file."""
    with SampleDatabase(Path(sys.argv[1], "this-machine.db")) as database:
        samples = database.samples()
    fitted = fit_drawn(samples, Path("benchmarks.calibrate"), "host", AUTO, Wanted(threads=1))
    model = fitted.model.model_copy(update={"is_default": True})
    (Path(str(files("fpc.costmodel"))) / "coefficients" / FILE).write_text(model.to_json())
    origin = model.provenance
    print(f"{FILE}: {origin.rows} rows, 5-fold MAPE {origin.mape_percent:.2f} %")


if __name__ == "__main__":
    main()
