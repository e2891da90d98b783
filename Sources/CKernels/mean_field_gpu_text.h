// The mean field's arithmetic on a GPU, written once: included as CUDA C++ text for NVRTC, and as C, which tests
// run thread by thread (mean_field_gpu.c). Inside GPU_TEXT there is no preprocessor line, for it becomes a string.
//
// BLOCKS blocks of THREADS threads share a sample: each has some rows, whose logarithms lie in its own memory, the
// tile, inside a border that holds the neighbours' rows, and zeros outside the image, where a neighbour costs
// nothing. A thread has PIXELS pixels, and their probabilities q in its registers. A barrier of all the sample's
// threads lies between any two of these functions of which one writes tiles.
//
// From outside: HEIGHT, WIDTH, KERNEL (side of the window, odd), BLOCKS, THREADS; MARGIN = KERNEL / 2, ROWS = the
// most rows a block has, STRIDE = WIDTH + 2 MARGIN, PLANE = (ROWS + 2 MARGIN) STRIDE, PIXELS = ⌈ROWS WIDTH /
// THREADS⌉; FUNCTION, UNROLL, UNROLL_WINDOW; PEER(tile, from, to): the tile of another block of the sample.
GPU_TEXT(

// Of one sample. The affinities, KERNEL² × HEIGHT × WIDTH, are scratch.
typedef struct {
    const float *image;
    const float *probabilities;
    const float *mask;
    float *affinity;
    float *result;
    float scale;
    float low;
    float high;
    int channels;
} gpu_field;

FUNCTION int first_row(int block) { return HEIGHT * block / BLOCKS; }

FUNCTION float bounded(gpu_field f, float q) {
    return q < f.low ? f.low : q > f.high ? f.high : q;
}

FUNCTION float mask_at(gpu_field f, int place) { return f.mask ? f.mask[place] : 1.0f; }

// The first probabilities, and how much each pixel belongs to its neighbours. The thread that writes an affinity is
// the only one to read it.
FUNCTION void prepare(gpu_field f, int block, int thread, float *q) {
    const int first = first_row(block);
    const int count = (first_row(block + 1) - first) * WIDTH;
    UNROLL for (int k = 0; k < PIXELS; k++) {
        const int pixel = k * THREADS + thread;
        if (pixel >= count) continue;
        const int y = first + pixel / WIDTH;
        const int x = pixel % WIDTH;
        const int place = y * WIDTH + x;
        q[k] = bounded(f, f.probabilities[place] * mask_at(f, place));
        for (int dy = 0; dy < KERNEL; dy++) {
            for (int dx = 0; dx < KERNEL; dx++) {
                const int ny = y + dy - MARGIN;
                const int nx = x + dx - MARGIN;
                const int is_inside = ny >= 0 && ny < HEIGHT && nx >= 0 && nx < WIDTH;
                float distance = 0;
                for (int c = 0; c < f.channels; c++) {
                    const float *colour = f.image + c * HEIGHT * WIDTH;
                    // Far from the zeros outside, so that those have affinity 0.
                    const float there = is_inside ? colour[ny * WIDTH + nx] + 10.0f : 0.0f;
                    const float difference = there - (colour[place] + 10.0f);
                    distance += difference * difference / f.scale;
                }
                f.affinity[(dy * KERNEL + dx) * HEIGHT * WIDTH + place] = expf(-distance);
            }
        }
    }
}

FUNCTION void put(float *tile, int row, int x, float background, float foreground) {
    const int place = (row + MARGIN) * STRIDE + x + MARGIN;
    tile[place] = background;
    tile[PLANE + place] = foreground;
}

// Writes the logarithms of q into the tile, and into the neighbours' borders.
FUNCTION void spread(float *tile, int block, int thread, const float *q) {
    const int first = first_row(block);
    const int rows = first_row(block + 1) - first;
    UNROLL for (int k = 0; k < PIXELS; k++) {
        const int pixel = k * THREADS + thread;
        if (pixel >= rows * WIDTH) continue;
        const int row = pixel / WIDTH;
        const int x = pixel % WIDTH;
        const float background = logf(1.0f - q[k]);
        const float foreground = logf(q[k]);
        put(tile, row, x, background, foreground);
        if (block > 0 && row < MARGIN) {
            put(PEER(tile, block, block - 1), first - first_row(block - 1) + row, x, background,
                foreground);
        }
        if (block + 1 < BLOCKS && row >= rows - MARGIN) {
            put(PEER(tile, block, block + 1), row - rows, x, background, foreground);
        }
    }
}

// One update. Sums run in the order of the window and are rounded after each product, as the tensor version's are.
FUNCTION void update(gpu_field f, const float *tile, int block, int thread, float *q) {
    const int first = first_row(block);
    const int count = (first_row(block + 1) - first) * WIDTH;
    UNROLL for (int k = 0; k < PIXELS; k++) {
        const int pixel = k * THREADS + thread;
        if (pixel >= count) continue;
        const int place = first * WIDTH + pixel;
        const float *corner = tile + pixel / WIDTH * STRIDE + pixel % WIDTH;
        const float *affinity = f.affinity + place;
        float a = 0;
        float b = 0;
        UNROLL_WINDOW for (int dy = 0; dy < KERNEL; dy++) {
            UNROLL_WINDOW for (int dx = 0; dx < KERNEL; dx++) {
                const float *there = corner + dy * STRIDE + dx;
                if (dy == MARGIN && dx == MARGIN) {
                    a += there[0];
                    b += there[PLANE];
                } else {
                    const float w = affinity[(dy * KERNEL + dx) * HEIGHT * WIDTH];
                    a += w * there[0];
                    b += w * there[PLANE];
                }
            }
        }
        const float background = expf(a);
        const float foreground = expf(b) * mask_at(f, place);
        q[k] = bounded(f, foreground / ((background + foreground) + 1e-6f));
    }
}

FUNCTION void finish(gpu_field f, int block, int thread, const float *q) {
    const int first = first_row(block);
    const int count = (first_row(block + 1) - first) * WIDTH;
    UNROLL for (int k = 0; k < PIXELS; k++) {
        const int pixel = k * THREADS + thread;
        if (pixel < count) f.result[first * WIDTH + pixel] = q[k];
    }
}

)
