"""Families of encoders by their names: what they are called, and when and where they were published.

timm's metadata names papers for few of its weights, and then often that of a training recipe; this table names the
paper that introduced the architecture.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import NamedTuple


class Family(NamedTuple):
    """An architecture's name, the year of its first publication, and that publication."""

    title: str
    year: int
    paper: str


_FAMILIES: tuple[tuple[str, Family], ...] = (
    ("cbr_*", Family("CBR", 2019, "arXiv:1902.07208")),
    ("swin_tiny_ctranspath", Family("CTransPath", 2022, "doi:10.1016/j.media.2022.102559")),
    ("resnetv2_*", Family("ResNet v2", 2016, "arXiv:1603.05027")),
    ("resnet[1-9]*", Family("ResNet", 2015, "arXiv:1512.03385")),
    ("resnext*", Family("ResNeXt", 2016, "arXiv:1611.05431")),
    ("wide_resnet*", Family("Wide ResNet", 2016, "arXiv:1605.07146")),
    ("resnest*", Family("ResNeSt", 2020, "arXiv:2004.08955")),
    ("seresne*", Family("SE-ResNet", 2017, "arXiv:1709.01507")),
    ("legacy_se*", Family("SE-ResNet", 2017, "arXiv:1709.01507")),
    ("res2ne*", Family("Res2Net", 2019, "arXiv:1904.01169")),
    ("vgg*", Family("VGG", 2014, "arXiv:1409.1556")),
    ("inception_v3", Family("Inception v3", 2015, "arXiv:1512.00567")),
    ("inception_v4", Family("Inception v4", 2016, "arXiv:1602.07261")),
    ("inception_resnet_v2", Family("Inception-ResNet", 2016, "arXiv:1602.07261")),
    ("inception_next_*", Family("InceptionNeXt", 2023, "arXiv:2303.16900")),
    ("xception*", Family("Xception", 2016, "arXiv:1610.02357")),
    ("densenet*", Family("DenseNet", 2016, "arXiv:1608.06993")),
    ("dpn*", Family("DPN", 2017, "arXiv:1707.01629")),
    ("hrnet*", Family("HRNet", 2019, "arXiv:1908.07919")),
    ("regnet*", Family("RegNet", 2020, "arXiv:2003.13678")),
    ("mnasnet*", Family("MnasNet", 2018, "arXiv:1807.11626")),
    ("mobilenetv1_*", Family("MobileNet v1", 2017, "arXiv:1704.04861")),
    ("mobilenetv2_*", Family("MobileNet v2", 2018, "arXiv:1801.04381")),
    ("*mobilenetv3_*", Family("MobileNet v3", 2019, "arXiv:1905.02244")),
    ("mobilenetv4_*", Family("MobileNet v4", 2024, "arXiv:2404.10518")),
    ("mobileone_*", Family("MobileOne", 2022, "arXiv:2206.04040")),
    ("mobilevitv2_*", Family("MobileViT v2", 2022, "arXiv:2206.02680")),
    ("mobilevit_*", Family("MobileViT", 2021, "arXiv:2110.02178")),
    ("ghostnetv2_*", Family("GhostNet v2", 2022, "arXiv:2211.12905")),
    ("ghostnet_*", Family("GhostNet", 2019, "arXiv:1911.11907")),
    ("repvgg_*", Family("RepVGG", 2021, "arXiv:2101.03697")),
    # No paper: announced on TensorFlow's blog in March 2020.
    ("*efficientnet_lite*", Family("EfficientNet-Lite", 2020, "TensorFlow's blog, March 2020")),
    ("*efficientnetv2_*", Family("EfficientNet v2", 2021, "arXiv:2104.00298")),
    ("*efficientnet_*", Family("EfficientNet", 2019, "arXiv:1905.11946")),
    ("efficientformer_*", Family("EfficientFormer", 2022, "arXiv:2206.01191")),
    ("edgenext_*", Family("EdgeNeXt", 2022, "arXiv:2206.10589")),
    ("fastvit_*", Family("FastViT", 2023, "arXiv:2303.14189")),
    ("convnextv2_*", Family("ConvNeXt v2", 2023, "arXiv:2301.00808")),
    ("convnext_*", Family("ConvNeXt", 2022, "arXiv:2201.03545")),
    ("*nfnet_*", Family("NFNet", 2021, "arXiv:2102.06171")),
    ("deit3_*", Family("DeiT III", 2022, "arXiv:2204.07118")),
    ("deit_*", Family("DeiT", 2020, "arXiv:2012.12877")),
    ("swinv2_*", Family("Swin v2", 2021, "arXiv:2111.09883")),
    ("swin_*", Family("Swin", 2021, "arXiv:2103.14030")),
    ("vit_*_dinov3*", Family("DINOv3", 2025, "arXiv:2508.10104")),
    ("vit_*_dinov2*", Family("DINOv2", 2023, "arXiv:2304.07193")),
    ("vit_*_clip_*", Family("CLIP", 2021, "arXiv:2103.00020")),
    ("vit_*_siglip_*", Family("SigLIP", 2023, "arXiv:2303.15343")),
    ("vit_*", Family("ViT", 2020, "arXiv:2010.11929")),
    ("beitv2_*", Family("BEiT v2", 2022, "arXiv:2208.06366")),
    ("beit_*", Family("BEiT", 2021, "arXiv:2106.08254")),
    ("eva02_*", Family("EVA-02", 2023, "arXiv:2303.11331")),
    ("eva_*", Family("EVA", 2022, "arXiv:2211.07636")),
    ("mixer_*", Family("MLP-Mixer", 2021, "arXiv:2105.01601")),
    ("maxvit_*", Family("MaxViT", 2022, "arXiv:2204.01697")),
    ("coatnet_*", Family("CoAtNet", 2021, "arXiv:2106.04803")),
    ("cait_*", Family("CaiT", 2021, "arXiv:2103.17239")),
    ("xcit_*", Family("XCiT", 2021, "arXiv:2106.09681")),
    ("levit_*", Family("LeViT", 2021, "arXiv:2104.01136")),
    ("pvt_v2_*", Family("PVT v2", 2021, "arXiv:2106.13797")),
    ("poolformer_*", Family("PoolFormer", 2021, "arXiv:2111.11418")),
)
"""A pattern for the names of a family, and the family; the first that fits holds."""


def family_of(architecture: str) -> Family | None:
    """Return the family of an architecture's name without a tag, or None for one that is not in the table."""
    return next((family for pattern, family in _FAMILIES if fnmatchcase(architecture, pattern)), None)
