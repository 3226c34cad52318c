"""The files of a reproduction: its page, Markdown and CSV, the report of its comparison, curves and a picture."""

from __future__ import annotations

from moodfuse import files
from moodfuse.records.comparison import Comparison
from moodfuse.records.reproduction import Reproduction, ReproductionFolder
from moodfuse.records.run import RunFolder, read_run
from moodfuse.report.canvas import svg_file
from moodfuse.report.comparison import comparison_document
from moodfuse.report.comparison_curves import training_figures
from moodfuse.report.markdown import csv_rows, markdown
from moodfuse.report.page import document_page
from moodfuse.report.picture import model_picture
from moodfuse.report.reproduction import reproduction_document


def write_pages(folder: ReproductionFolder, record: Reproduction, comparison: Comparison, run: RunFolder) -> None:
    """Write the report in all its forms; `run` is the best fusion's, which is drawn."""
    picture = model_picture(read_run(run.path))
    figures = training_figures(comparison)
    document = reproduction_document(record, figures, picture)
    files.write_text(folder.page, document_page(document))
    files.write_text(folder.markdown, markdown(document))
    files.write_text(folder.table, csv_rows(document))
    files.write_text(folder.picture, picture)
    files.make_folder(folder.curves)
    for kind, drawn in figures.items():
        for figure in drawn:
            files.write_text(folder.curves / f"{kind}-{figure.caption.replace(' ', '-')}.svg", svg_file(figure.svg))
    files.write_text(comparison.path / "report.html", document_page(comparison_document(comparison)))
