"""Trainings told to TensorBoard, Weights & Biases, trackio, MLflow, or an object of your own."""

from ratescape.loggers.known import check as check
from ratescape.loggers.known import opened as opened
from ratescape.loggers.logger import Logger as Logger
