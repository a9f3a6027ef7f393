"""The files of weights of `backbone`: local ones, and those that Keras publishes."""

import hashlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cnnlab.data.download import fetch
from cnnlab.data.locate import data_folders
from cnnlab.data.remote import Remote, file_sha256, mirrors
from cnnlab.errors import ConfigError, DownloadError
from cnnlab.experiment.layers.backbone import Backbone
from cnnlab.terminal import note

BASE = "https://storage.googleapis.com/tensorflow/keras-applications/"
FOLDER = "keras-applications"
MAX_BYTES = 1 << 28
HDF5 = b"\x89HDF\r\n\x1a\n"


@dataclass(frozen=True)
class Published:
    """A file of weights that Keras publishes, for images as in ImageNet; MD5 from keras/src/applications."""

    path: str
    md5: str | None
    """None where Keras publishes no digest."""


PUBLISHED = {
    "mobilenet_v2": Published("mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5", None),
    "resnet50": Published(
        "resnet/resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5", "4d473c1dd8becc155b73f8504c6f6626"
    ),
    "efficientnet_v2_b0": Published("efficientnet_v2/efficientnetv2-b0_notop.h5", "893217f2bb855e2983157299931e43ff"),
}


def weights_path(spec: Backbone) -> Path:
    """The file that a backbone starts from, downloaded where it is `imagenet` and not there yet.

    Raises ConfigError where it is missing or has another SHA-256, and DownloadError with where to put it.
    """
    path = _imagenet(spec) if spec.weights == "imagenet" else Path(str(spec.weights)).expanduser()
    if not path.is_file():
        raise ConfigError(
            f"backbone.weights: {path}: no such file; expected imagenet, or a file of weights of keras.applications"
        )
    if spec.sha256 and (digest := file_sha256(path)) != spec.sha256:
        raise ConfigError(f"backbone.sha256: {path}: its SHA-256 is {digest}, expected {spec.sha256}")
    return path


def _imagenet(spec: Backbone) -> Path:
    published = PUBLISHED[spec.name]
    name = published.path.rpartition("/")[2]
    places = [folder / FOLDER / name for folder in data_folders()]
    found = next((path for path in places if path.exists()), places[0])
    urls = tuple(base + published.path for base in mirrors(BASE))
    remote = Remote(name, urls, MAX_BYTES, partial(_is_genuine, published.md5))
    try:
        fetch(remote, found)
    except DownloadError as error:
        raise DownloadError(f"{error}; put the file of {BASE}{published.path} into {found.parent}") from None
    if not _is_genuine(published.md5, found):
        raise ConfigError(f"{found}: not the file of Keras (its MD5 differs); remove it to download it again")
    if published.md5 is None and spec.sha256 is None:
        note(f"{name}: Keras publishes no digest of it; its SHA-256 is {file_sha256(found)}; backbone.sha256 checks it")
    return found


def _is_genuine(md5: str | None, path: Path) -> bool:
    with path.open("rb") as file:
        if md5 is None:  # then by its format
            return file.read(len(HDF5)) == HDF5
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest() == md5
