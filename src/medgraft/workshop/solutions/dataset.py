"""Images with masks from two folders, paired by file name."""

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset


class PairedDataset(Dataset):
    def __init__(self, root):
        self.pairs = []
        for image in sorted((root / "images").iterdir()):
            mask = root / "masks" / image.name
            if not mask.exists():
                raise FileNotFoundError(f"{image.name} has no mask in {mask.parent}")
            self.pairs.append((image, mask))

    def __len__(self):
        return len(self.pairs)

    def __getitem__(self, index):
        image_path, mask_path = self.pairs[index]
        image = np.asarray(Image.open(image_path).convert("RGB"), dtype=np.float32) / 255
        mask = np.asarray(Image.open(mask_path)) > 127
        return torch.from_numpy(image).permute(2, 0, 1), torch.from_numpy(mask).float()[None]
