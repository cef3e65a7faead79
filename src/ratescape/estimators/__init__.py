"""Models as estimators of scikit-learn."""

from ratescape.estimators.detector import RateDetector as RateDetector
from ratescape.estimators.transformer import RateTransformer as RateTransformer
