"""keras.ops.image: images in other sizes, places, colours and pieces."""

from __future__ import annotations

from pronghorn_ops.image.colours import hsv_to_rgb as hsv_to_rgb
from pronghorn_ops.image.colours import rgb_to_grayscale as rgb_to_grayscale
from pronghorn_ops.image.colours import rgb_to_hsv as rgb_to_hsv
from pronghorn_ops.image.filters import gaussian_blur as gaussian_blur
from pronghorn_ops.image.filters import sobel_edges as sobel_edges
from pronghorn_ops.image.filters import ssim as ssim
from pronghorn_ops.image.patches import extract_patches as extract_patches
from pronghorn_ops.image.patches import extract_patches_3d as extract_patches_3d
from pronghorn_ops.image.resizing import crop_images as crop_images
from pronghorn_ops.image.resizing import pad_images as pad_images
from pronghorn_ops.image.resizing import resize as resize
from pronghorn_ops.image.resizing import scale_and_translate as scale_and_translate
from pronghorn_ops.image.warping import affine_transform as affine_transform
from pronghorn_ops.image.warping import elastic_transform as elastic_transform
from pronghorn_ops.image.warping import map_coordinates as map_coordinates
from pronghorn_ops.image.warping import perspective_transform as perspective_transform
