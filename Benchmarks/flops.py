"""Floating-point operations of a step's matrix products and convolutions, by its shapes."""

# Channels and blocks of a vision transformer with patches of 16 pixels.
SHAPES = {"tiny": (192, 12), "small": (384, 12), "base": (768, 12)}


def forward(arch, crop, batch, convolution=1.0):
    """Of one network for crops of which every fourth is of a small object, the next of a medium one and two of large
    ones, as in `bench`.

    `convolution`: the share of the 3 × 3 convolutions' products that is done; a quarter by F(4 × 4, 3 × 3).
    """
    width, depth = SHAPES[arch]
    side = crop // 16
    tokens = side * side + 1
    block = 24 * tokens * width * width + 4 * tokens * tokens * width
    image = depth * block + 2 * side * side * 768 * width

    def head(map_side):
        area = map_side * map_side
        return convolution * 18 * 256 * (area * width + 2 * area * 256 + 4 * area * 256)

    heads = [head(side // 2), head(side), head(2 * side), head(2 * side)]
    return sum(image + heads[k % 4] for k in range(batch))


def step(arch, crop, batch, convolution=1.0):
    """Of a training step: teacher and student forward, twice that for the student's backward."""
    return 4 * forward(arch, crop, batch, convolution)
