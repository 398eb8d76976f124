"""Paired data sets that learners write."""

import cv2
import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset
from torchvision import io, tv_tensors
from torchvision.transforms.functional import to_tensor
from torchvision.transforms.v2 import functional


def names(folder):
    return {path.name for path in folder.iterdir()}


class Right(Dataset):
    """The parts that the wrong ones replace."""

    def __init__(self, root):
        self.root = root
        self.names = self.find()
        self.refuse_missing()

    def find(self):
        return sorted(names(self.root / "images"))

    def refuse_missing(self):
        missing = [name for name in self.names if not (self.root / "masks" / name).is_file()]
        if missing:
            raise ValueError(f"no mask for {', '.join(missing)}")

    def __len__(self):
        return len(self.names)

    def image(self, path):
        return to_tensor(Image.open(path).convert("RGB"))

    def mask(self, path):
        return (to_tensor(Image.open(path)) > 0.5).float()

    def mask_path(self, index):
        return self.root / "masks" / self.names[index]

    def __getitem__(self, index):
        return self.image(self.root / "images" / self.names[index]), self.mask(self.mask_path(index))


class WithOpenCV:
    """Not even a subclass of Dataset, and everything is held in memory."""

    def __init__(self, folder):
        self.items = []
        for path in sorted((folder / "images").glob("*.png")):
            mask = cv2.imread(str(folder / "masks" / path.name), cv2.IMREAD_GRAYSCALE)
            assert mask is not None, path
            image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
            self.items.append((np.moveaxis(image, -1, 0) / np.float32(255), (mask[None] // 255).astype("float32")))

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        image, mask = self.items[i]
        return torch.tensor(image), torch.tensor(mask)


class WithTorchvision(Dataset):
    """torchvision's own reading, and its tensors that know what they are."""

    def __init__(self, root):
        self.images = sorted((root / "images").glob("*.png"))
        self.masks = [root / "masks" / path.name for path in self.images]
        for mask in self.masks:
            if not mask.exists():
                raise RuntimeError(f"mask missing for {mask.stem}")

    def __len__(self):
        return len(self.images)

    def __getitem__(self, place):
        image = tv_tensors.Image(io.read_image(str(self.images[place]), io.ImageReadMode.RGB))
        mask = io.read_image(str(self.masks[place]), io.ImageReadMode.GRAY)
        return functional.to_dtype(image, torch.float32, scale=True), tv_tensors.Mask(mask > 0).float()


class ByPosition(Right):
    def mask_path(self, index):
        return sorted((self.root / "masks").iterdir())[index]


class OfMasks(Right):
    def find(self):
        return sorted(names(self.root / "masks"))

    def __getitem__(self, index):
        path = self.root / "images" / self.names[index]
        image = self.image(path) if path.exists() else torch.zeros(3, 8, 8)
        return image, self.mask(self.mask_path(index))


class Unsorted(Right):
    def find(self):
        return sorted(names(self.root / "images"), reverse=True)  # as some file systems list them


class ChannelsLast(Right):
    def image(self, path):
        return super().image(path).permute(1, 2, 0)


class Reshaped(Right):
    def image(self, path):
        image = super().image(path)
        return image.permute(1, 2, 0).reshape(image.shape)


class SidesSwapped(Right):
    def image(self, path):
        return torch.from_numpy(np.array(Image.open(path).convert("RGB"), np.float32).T / 255)


class Named(Right):
    def __getitem__(self, index):
        return dict(zip(("image", "mask"), super().__getitem__(index), strict=True))


class Grey(Right):
    def image(self, path):
        return to_tensor(Image.open(path))


class Doubles(Right):
    def image(self, path):
        return torch.from_numpy(np.asarray(Image.open(path).convert("RGB")).transpose(2, 0, 1) / 255)


class Unscaled(Right):
    def image(self, path):
        return torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1).float()


class Blue(Right):
    def image(self, path):
        return torch.from_numpy(cv2.imread(str(path))).permute(2, 0, 1) / 255


class OwnMaximum(Right):
    def image(self, path):
        image = super().image(path)
        return image / image.max()


class MaskOwnMaximum(Right):
    def mask(self, path):
        mask = super().mask(path)
        return mask / mask.max()


class FlatMask(Right):
    def mask(self, path):
        return super().mask(path)[0]


class MaskOf255(Right):
    def mask(self, path):
        return super().mask(path) * 255


class EmptyMask(Right):
    def refuse_missing(self):
        pass

    def mask(self, path):
        return super().mask(path) if path.exists() else torch.zeros(1, 7, 9)


class LeftOut(Right):
    def find(self):
        return sorted(names(self.root / "images") & names(self.root / "masks"))


class Late(Right):
    def refuse_missing(self):
        pass


class Unnamed(Right):
    def refuse_missing(self):
        assert len(self.names) <= len(names(self.root / "masks"))


RIGHT = [Right, WithOpenCV, WithTorchvision]
WRONG = {
    "length": OfMasks, "by-position": ByPosition, "unsorted": Unsorted, "channels-last": ChannelsLast, "grey": Grey,
    "dtype": Doubles, "scale-255": Unscaled, "bgr": Blue, "own-maximum": OwnMaximum, "mask-axis": FlatMask,
    "mask-values": MaskOf255, "empty-mask": EmptyMask, "left-out": LeftOut, "late": Late, "unnamed": Unnamed,
    "reshaped": Reshaped, "sides-swapped": SidesSwapped, "not-a-pair": Named,
}  # fmt: skip
