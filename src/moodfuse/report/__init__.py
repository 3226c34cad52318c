"""Reports on the files of a run, a comparison or a search, as a page without network use. Needs the `report` extra."""
