"""Encoders pretrained on radiology of many kinds, and on the figures of medical articles."""

from __future__ import annotations

from medgraft.models.sources.source import HALF, MedicalSource, register_sources


def _radimagenet(encoder: str, file: str, note: str = "") -> MedicalSource:
    """An encoder of RadImageNet, in the publishers' PyTorch form."""
    return MedicalSource(
        name=f"radimagenet-{encoder}",
        encoder=encoder,
        domain="radiology",
        modality="CT, MRI, ultrasound",
        data="RadImageNet, 1.35 million images",
        licence="MIT",
        paper="doi:10.1148/ryai.210315",
        page="https://github.com/BMEII-AI/RadImageNet",
        form=f"torchvision {encoder} by number",
        mean=HALF[0],
        std=HALF[1],
        size=224,
        hub="Lab-Rasool/RadImageNet",
        files=(file,),
        unverified=("licence",),
        note=". ".join(
            part for part in (note, "the licence is that of the repository, whose page leads to the same files") if part
        ),
    )


register_sources(
    [
        _radimagenet("resnet50", "ResNet50.pt"),
        _radimagenet(
            "densenet121",
            "DenseNet121.pt",
            "a ReLU follows the last normalisation, as in torchvision's model; the file does not say whether it did",
        ),
        _radimagenet("inception_v3", "InceptionV3.pt"),
        MedicalSource(
            name="biomedclip",
            encoder="vit_base_patch16_224",
            domain="medical articles",
            modality="figures of all kinds",
            data="PMC-15M, figures and captions",
            licence="MIT",
            paper="arXiv:2303.00915",
            page="https://huggingface.co/microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224",
            form="open_clip",
            mean=(0.48145466, 0.4578275, 0.40821073),
            std=(0.26862954, 0.26130258, 0.27577711),
            size=224,
            hub="microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224",
            files=("open_clip_pytorch_model.bin",),
            note="the image tower, without the projection to the space shared with text",
        ),
    ]
)
