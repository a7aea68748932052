"""The vision-language model in Hugging Face form; importing this registers it with Auto classes."""

from transformers import (
    AttentionInterface,
    AttentionMaskInterface,
    AutoConfig,
    AutoFeatureExtractor,
    AutoModel,
    AutoModelForImageTextToText,
    AutoProcessor,
)
from transformers.masking_utils import sdpa_mask

from vol3d.models.configuration import Vol3dConfig, Vol3dConnectorConfig, Vol3dVisionConfig
from vol3d.models.connector import SpatialPoolingConnector
from vol3d.models.modeling import Vol3dForConditionalGeneration, Vol3dOutput, Vol3dVisualTokens
from vol3d.models.processing import VOLUME_TOKEN, Vol3dFeatureExtractor, Vol3dProcessor
from vol3d.models.vision import MODALITIES, Vit3d
from vol3d.nn import vol3d_attention

__all__ = [
    "MODALITIES",
    "VOLUME_TOKEN",
    "SpatialPoolingConnector",
    "Vit3d",
    "Vol3dConfig",
    "Vol3dConnectorConfig",
    "Vol3dFeatureExtractor",
    "Vol3dForConditionalGeneration",
    "Vol3dOutput",
    "Vol3dProcessor",
    "Vol3dVisionConfig",
    "Vol3dVisualTokens",
]

AutoConfig.register("vol3d", Vol3dConfig, exist_ok=True)
AutoConfig.register("vol3d_vision", Vol3dVisionConfig, exist_ok=True)
AutoConfig.register("vol3d_connector", Vol3dConnectorConfig, exist_ok=True)
AutoModel.register(Vol3dVisionConfig, Vit3d, exist_ok=True)
AutoModel.register(Vol3dConfig, Vol3dForConditionalGeneration, exist_ok=True)
AutoModelForImageTextToText.register(Vol3dConfig, Vol3dForConditionalGeneration, exist_ok=True)
AutoFeatureExtractor.register(Vol3dConfig, Vol3dFeatureExtractor, exist_ok=True)
AutoProcessor.register(Vol3dConfig, Vol3dProcessor, exist_ok=True)
AttentionInterface.register("vol3d", vol3d_attention)
AttentionMaskInterface.register("vol3d", sdpa_mask)
