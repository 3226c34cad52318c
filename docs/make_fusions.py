"""Write docs/fusions.md and a picture of every fusion beside it.

python docs/make_fusions.py
"""

from __future__ import annotations

import inspect
from pathlib import Path

from moodfuse import files
from moodfuse.config import Config
from moodfuse.learn.diagram import draw_fusion
from moodfuse.learn.fusion import fusion_options, fusions
from moodfuse.records.configuration import StoredConfig
from moodfuse.report.picture import drawn_encoders

HERE = Path(__file__).parent
HEAD = """# Fusions

Written by `python docs/make_fusions.py`. Each picture is drawn from a run of the fusion on MiniLM (384 wide) and
EfficientNet-Lite0 (1280 wide) encodings: the encoders, what it reads, its layers, shapes and weights. `B` posts, `T`
text tokens, `R` image regions. `moodfuse fusions` lists them, `moodfuse fusions NAME` draws one.
"""


def main() -> None:
    parts = [HEAD]
    encoders = drawn_encoders(StoredConfig.from_config(Config()), {"text": 384, "image": 1280})
    for name, cls in sorted(fusions().items()):
        picture = draw_fusion(name, encoders=encoders).to_svg()
        files.write_text(files.make_folder(HERE / "fusions") / f"{name}.svg", picture)
        options = ", ".join(f"`{option}={value}`" for option, value in fusion_options(cls).items())
        reads = " and ".join(f"{modality} ({cls.reads(modality)})" for modality in cls.modalities)
        parts += [
            f"## {name}\n",
            inspect.cleandoc(cls.__doc__ or "") + "\n",
            f"Reads {reads}. Family: {cls.family}. Options: {options or 'none'}.\n",
            f"![{name}](fusions/{name}.svg)\n",
        ]
    files.write_text(HERE / "fusions.md", "\n".join(parts))


if __name__ == "__main__":
    main()
