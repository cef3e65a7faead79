"""Models as estimators of scikit-learn."""

from ratescape.estimators.transformer import RateTransformer as RateTransformer
