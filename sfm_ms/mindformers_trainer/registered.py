"""Registers what the YAMLs name: import it, then hand one of them to MindFormers."""

from sfm_ms.mindformers_trainer.data import ThinkerDataLoader
from sfm_ms.mindformers_trainer.model import ThinkerConfig, ThinkerForTraining
from sfm_ms.mindformers_trainer.wrapper import ThinkerTrainOneStepCell

__all__ = ["ThinkerConfig", "ThinkerDataLoader", "ThinkerForTraining", "ThinkerTrainOneStepCell"]
