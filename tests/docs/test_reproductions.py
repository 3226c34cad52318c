"""The page of the course reports is what its script writes."""

from pages import load_script, read_page

from moodfuse.learn.recipes.course_reports import course_reports


def test_the_page_is_what_its_script_writes() -> None:
    page = read_page("docs/reproductions.md")
    assert load_script("make_reproductions.py")["page"]() == page
    for name, report in course_reports().items():
        assert f"| {name} | {report.title} |" in page


def test_every_table_says_its_budget() -> None:
    sections = read_page("docs/reproductions.md").split("\n### ")[1:]
    assert sections
    assert all("\nBudget (" in section for section in sections)
