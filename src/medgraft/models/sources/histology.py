"""Encoders pretrained on microscope slides of tissue."""

from __future__ import annotations

from typing import Any

from medgraft.models.sources.architectures import CONVOLUTIONAL_SWIN
from medgraft.models.sources.source import HALF, IMAGENET, MedicalSource, register_sources

_HUB = "https://huggingface.co"
_LUNIT = ((0.70322989, 0.53606487, 0.66096631), (0.21716536, 0.26081574, 0.20723464))
_OPTIMUS = ((0.707223, 0.578729, 0.703617), (0.211883, 0.230117, 0.177517))


def _slides(
    name: str, encoder: str, hub: str, data: str, licence: str, paper: str,
    statistics: tuple[tuple[float, ...], tuple[float, ...]] = IMAGENET, **more: Any,
) -> MedicalSource:  # fmt: skip
    """An encoder of H&E tiles at 224 pixels, with its file on the hub."""
    gated = f"ask for access at {_HUB}/{hub}, log in with hf auth login, then it is downloaded"
    return MedicalSource(
        name=name, encoder=encoder, domain="histology", modality="H&E slides", data=data, licence=licence, paper=paper,
        page=f"{_HUB}/{hub}", mean=statistics[0], std=statistics[1], size=224, hub=hub,
        **({"form": "timm", "get": gated if more.get("gated") else ""} | more),
    )  # fmt: skip


_PUBLISHED: dict[str, Any] = {"gated": True, "files": ("pytorch_model.bin",)}
_ALSO_PATCHES = "the publishers join the class token with the mean of the others; here it is the class token alone"

register_sources(
    [
        _slides(
            "uni", "vit_large_patch16_uni", "MahmoodLab/UNI", "Mass-100K", "CC-BY-NC-ND-4.0",
            "doi:10.1038/s41591-024-02857-3", **_PUBLISHED,
        ),
        _slides(
            "uni2-h", "vit_giant_patch14_reg8_uni2", "MahmoodLab/UNI2-h", "slides of Mass General Brigham",
            "CC-BY-NC-ND-4.0", "doi:10.1038/s41591-024-02857-3", unverified=("data",), **_PUBLISHED,
        ),
        _slides(
            "phikon", "vit_base_patch16_224", "owkin/phikon", "TCGA", "Owkin, non-commercial",
            "doi:10.1101/2023.07.21.23292757", form="transformers vit",
        ),
        _slides(
            "phikon-v2", "vit_large_patch16_uni", "owkin/phikon-v2", "PANCAN-XL", "Owkin, non-commercial",
            "arXiv:2409.09173", form="transformers vit",
        ),
        MedicalSource(
            name="ctranspath",
            encoder=CONVOLUTIONAL_SWIN,
            domain="histology",
            modality="H&E slides",
            data="TCGA and PAIP",
            licence="GPL-3.0",
            paper="doi:10.1016/j.media.2022.102559",
            page="https://github.com/Xiyue-Wang/TransPath",
            form="old swin",
            mean=IMAGENET[0],
            std=IMAGENET[1],
            size=224,
            get="download ctranspath.pth, to which https://github.com/Xiyue-Wang/TransPath leads",
            note="CHIEF_CTransPath.pth has the same form",
        ),
        _slides(
            "prov-gigapath", "vit_giant_patch16_gigapath", "prov-gigapath/prov-gigapath", "slides of Providence",
            "Apache-2.0, with conditions", "doi:10.1038/s41586-024-07441-w", note="the encoder of tiles",
            **_PUBLISHED,
        ),
        _slides(
            "h-optimus-0", "vit_giant_patch14_reg4_hoptimus", "bioptimus/H-optimus-0", "500,000 slides",
            "Apache-2.0", "", _OPTIMUS, unverified=("data",), **_PUBLISHED,
        ),
        _slides(
            "virchow", "vit_huge_patch14_virchow", "paige-ai/Virchow", "slides of Memorial Sloan Kettering",
            "Apache-2.0", "doi:10.1038/s41591-024-03141-0", note=_ALSO_PATCHES, **_PUBLISHED,
        ),
        _slides(
            "virchow2", "vit_huge_patch14_reg4_virchow2", "paige-ai/Virchow2", "slides of Memorial Sloan Kettering",
            "CC-BY-NC-ND-4.0", "arXiv:2408.00738", note=_ALSO_PATCHES, **_PUBLISHED,
        ),
        *(
            _slides(
                f"lunit-{name}", encoder, f"1aurent/{repository}", "TCGA and TULIP", "Lunit, non-commercial",
                "arXiv:2212.04690", _LUNIT, note="in timm's form by a third party",
            )
            for name, encoder, repository in (
                ("dino-s16", "vit_small_patch16_224", "vit_small_patch16_224.lunit_dino"),
                ("dino-s8", "vit_small_patch8_224", "vit_small_patch8_224.lunit_dino"),
                ("resnet50-bt", "resnet50", "resnet50.lunit_bt"),
                ("resnet50-swav", "resnet50", "resnet50.lunit_swav"),
                ("resnet50-mocov2", "resnet50", "resnet50.lunit_mocov2"),
            )
        ),
        *(
            _slides(
                f"kaiko-{name}", encoder, f"1aurent/{encoder}.kaiko_ai_towards_large_pathology_fms", "TCGA",
                "Kaiko, non-commercial", "arXiv:2404.15217", HALF, note="in timm's form by a third party",
            )
            for name, encoder in (("s16", "vit_small_patch16_224"), ("b16", "vit_base_patch16_224"))
        ),
        _slides(
            "conch", "vit_base_patch16_224", "MahmoodLab/CONCH", "slides and captions", "CC-BY-NC-ND-4.0",
            "doi:10.1038/s41591-024-02856-4", status="listed only", unverified=("encoder", "mean", "std", "size"),
            note="its image tower ends in an attention pooling of its own, which timm does not have", gated=True,
        ),
    ]
)  # fmt: skip
