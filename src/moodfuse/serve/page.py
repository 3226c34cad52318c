"""placeholder"""


def add_page(app, predictor): ...
