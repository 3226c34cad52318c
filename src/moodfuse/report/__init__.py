"""Reports: what is on disk of a run or a comparison, as one page that needs no network. Needs the `report` extra."""
