"""Encoders pretrained on chest X-rays."""

from __future__ import annotations

from medgraft.models.sources.source import MedicalSource, register_sources

_RELEASE = "https://github.com/mlmed/torchxrayvision/releases/download/v1"
_LICENCE_OF_THE_CODE = "the licence is that of the package; none is stated for the weights or the data sets"
_MEDCLIP = "https://storage.googleapis.com/pytrial"


def _densenet(name: str, file: str, data: str, note: str = "") -> MedicalSource:
    """A DenseNet-121 of TorchXRayVision: one grey plane, scaled to [-1024, 1024]."""
    note = ". ".join(part for part in (note, _LICENCE_OF_THE_CODE) if part)
    return MedicalSource(
        name=f"torchxrayvision-{name}",
        encoder="densenet121",
        domain="chest",
        modality="X-ray",
        data=data,
        licence="Apache-2.0",
        paper="arXiv:2111.00595",
        page="https://github.com/mlmed/torchxrayvision",
        form="torchvision",
        mean=(0.5,),
        std=(1 / 2048,),
        size=224,
        get="pip install torchxrayvision, then write the tensors to a file once",
        url=f"{_RELEASE}/{file}-densenet121-d121-tw-lr001-rot45-tr15-sc15-seed0-best.pt",
        convert=(
            "import torch, torchxrayvision\n"
            f'model = torchxrayvision.models.DenseNet(weights="densenet121-res224-{name}")\n'
            f'torch.save(model.state_dict(), "torchxrayvision-{name}.pt")'
        ),
        status="convert first",
        unverified=("licence",),
        note=note,
    )


register_sources(
    [
        _densenet(
            "all",
            "nih-pc-chex-mimic_ch-google-openi-kaggle",
            "NIH, PadChest, CheXpert, MIMIC-CXR, Google, OpenI, RSNA",
            "paper of the joint training: arXiv:2002.02497",
        ),
        _densenet("nih", "nih", "NIH ChestX-ray14"),
        _densenet("pc", "pc", "PadChest"),
        _densenet("chex", "chex", "CheXpert"),
        _densenet("mimic_nb", "mimic_nb", "MIMIC-CXR", "labels by NegBio"),
        _densenet("mimic_ch", "mimic_ch", "MIMIC-CXR", "labels by the CheXpert labeller"),
        _densenet("rsna", "kaggle", "RSNA Pneumonia Challenge"),
        MedicalSource(
            name="torchxrayvision-resnet50",
            encoder="resnet50",
            domain="chest",
            modality="X-ray",
            data="PadChest, NIH, RSNA, SIIM, VinDr",
            licence="Apache-2.0",
            paper="arXiv:2111.00595",
            page="https://github.com/mlmed/torchxrayvision",
            form="torchvision",
            mean=(0.5,),
            std=(1 / 2048,),
            size=512,
            url=f"{_RELEASE}/pc-nih-rsna-siim-vin-resnet50-test512-e400-state.pt",
            unverified=("licence",),
            note=f"the package's resnet50-res512-all. {_LICENCE_OF_THE_CODE}",
        ),
        MedicalSource(
            name="rad-dino",
            encoder="vit_base_patch14_dinov2",
            domain="chest",
            modality="X-ray",
            data="MIMIC-CXR, CheXpert, NIH, PadChest, BRAX",
            licence="MIT",
            paper="arXiv:2401.10815",
            page="https://huggingface.co/microsoft/rad-dino",
            form="transformers vit",
            mean=(0.5307,) * 3,
            std=(0.2583,) * 3,
            size=518,
            hub="microsoft/rad-dino",
            files=("model.safetensors", "backbone_compatible.safetensors"),
        ),
        MedicalSource(
            name="biovil",
            encoder="resnet50",
            domain="chest",
            modality="X-ray",
            data="MIMIC-CXR with reports",
            licence="see the source",
            paper="arXiv:2204.09817",
            page="https://huggingface.co/microsoft/BiomedVLP-CXR-BERT-specialized",
            form="biovil",
            mean=(0.0,) * 3,
            std=(1.0,) * 3,
            size=480,
            hub="microsoft/BiomedVLP-CXR-BERT-specialized",
            files=("biovil_image_resnet50_proj_size_128.pt",),
            unverified=("size",),
            note="the image tower, without the projection to the space shared with text",
        ),
        MedicalSource(
            name="biovil-t",
            encoder="resnet50",
            domain="chest",
            modality="X-ray",
            data="MIMIC-CXR with reports",
            licence="MIT",
            paper="arXiv:2301.04558",
            page="https://huggingface.co/microsoft/BiomedVLP-BioViL-T",
            form="biovil",
            mean=(0.0,) * 3,
            std=(1.0,) * 3,
            size=448,
            hub="microsoft/BiomedVLP-BioViL-T",
            files=("biovil_t_image_model_proj_size_128.pt",),
            unverified=("size",),
            note="the ResNet-50 that sees one image; the transformer that compares it with an earlier one is left out",
        ),
        MedicalSource(
            name="medclip-resnet50",
            encoder="resnet50",
            domain="chest",
            modality="X-ray",
            data="CheXpert and MIMIC-CXR, images and reports",
            licence="MIT",
            paper="arXiv:2210.10163",
            page="https://github.com/RyanWangZf/MedCLIP",
            form="medclip resnet50",
            mean=(0.5862785803043838,) * 3,
            std=(0.27950088968644304,) * 3,
            size=224,
            get=f"unpack {_MEDCLIP}/medclip-pretrained.zip and give its pytorch_model.bin",
            unverified=("licence",),
            note=_LICENCE_OF_THE_CODE,
        ),
        MedicalSource(
            name="medclip-vit",
            encoder="swin_tiny_patch4_window7_224",
            domain="chest",
            modality="X-ray",
            data="CheXpert and MIMIC-CXR, images and reports",
            licence="MIT",
            paper="arXiv:2210.10163",
            page="https://github.com/RyanWangZf/MedCLIP",
            form="medclip swin",
            mean=(0.5862785803043838,) * 3,
            std=(0.27950088968644304,) * 3,
            size=224,
            get=f"unpack {_MEDCLIP}/medclip-vit-pretrained.zip and give its pytorch_model.bin",
            unverified=("licence",),
            note=_LICENCE_OF_THE_CODE,
        ),
    ]
)
