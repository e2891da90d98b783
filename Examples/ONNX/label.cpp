// The mask of one box in a photograph: label MODEL.onnx PHOTOGRAPH.ppm X Y WIDTH HEIGHT MASK.pgm
#include <cmath>
#include <fstream>
#include <iostream>
#include <openvino/openvino.hpp>
using Plane = std::vector<float>;  // row by row

/// Every row in another length, bicubic (wider where it shrinks) or bilinear; rows become columns.
static Plane turned(const Plane& in, int rows, int from, int to, bool cubic) {
    auto weight = [&](float x) {
        if ((x = std::abs(x)) < 1) return cubic ? (1.5f * x - 2.5f) * x * x + 1 : 1 - x;
        return cubic && x < 2 ? ((2.5f - 0.5f * x) * x - 4) * x + 2 : 0.f;
    };
    float scale = float(from) / to, width = cubic ? std::max(1.f, scale) : 1, reach = (cubic ? 2 : 1) * width;
    Plane out(size_t(rows) * to);
    for (int o = 0; o < to; o++) {
        float centre = (o + 0.5f) * scale, sum = 0;
        int low = std::max(0, int(centre - reach + 0.5f)), high = std::min(from, int(centre + reach + 0.5f));
        for (int i = low; i < high; i++) sum += weight((i + 0.5f - centre) / width);
        for (int i = low; i < high; i++)
            for (int row = 0; row < rows; row++)
                out[o * rows + row] += in[row * from + i] * weight((i + 0.5f - centre) / width) / sum;
    }
    return out;
}
static Plane resized(const Plane& in, int width, int height, int newWidth, int newHeight, bool cubic) {
    return turned(turned(in, height, width, newWidth, cubic), newWidth, height, newHeight, cubic);
}

int main(int count, char** argument) try {
    if (count != 8) throw std::runtime_error("label MODEL.onnx PHOTOGRAPH.ppm X Y WIDTH HEIGHT MASK.pgm");
    ov::Core core;
    auto network = core.read_model(argument[1]);
    auto told = [&](const char* key) { return network->get_rt_info<std::string>("framework", key); };
    int side = std::stoi(told("crop_size")), width, height, most;
    float margin = std::stof(told("margin_rate")) / 2, threshold = std::stof(told("mask_thres")), box[4];
    std::string kind;
    std::ifstream file(argument[2], std::ios::binary);
    if (!(file >> kind >> width >> height >> most) || kind != "P6") throw std::runtime_error("no PPM file");
    std::vector<unsigned char> pixels(size_t(width) * height * 3);
    file.ignore().read(reinterpret_cast<char*>(pixels.data()), pixels.size());
    for (int i = 0; i < 4; i++) box[i] = std::stof(argument[3 + i]);
    auto [x, y, w, h] = box;
    int left = std::floor(x - w / 2 * margin), right = std::ceil(x + w + w / 2 * margin + 1);
    int top = std::floor(y - h / 2 * margin), bottom = std::ceil(y + h + h / 2 * margin + 1);
    int columns = right - left, rows = bottom - top;
    ov::Tensor image(ov::element::f32, {1, 3, size_t(side), size_t(side)}), area(ov::element::f32, {1});
    *area.data<float>() = w * h;
    float* out = image.data<float>();
    for (int colour = 0; colour < 3; colour++) {
        Plane crop;  // what lies outside of the photograph is taken from its other side
        for (int v = top; v < bottom; v++)
            for (int u = left; u < right; u++)
                crop.push_back(pixels[((v + height) % height * width + (u + width) % width) * 3 + colour]);
        for (float value : resized(crop, columns, rows, side, side, true))
            *out++ = std::clamp(std::round(value), 0.f, 255.f);
    }
    auto request = core.compile_model(network, "CPU").create_infer_request();
    request.set_tensor("image", image), request.set_tensor("area", area), request.infer();
    auto logits = request.get_tensor("logits");
    int size = logits.get_shape()[3];
    const float* first = logits.data<float>();
    Plane mask = resized(Plane(first, first + size * size), size, size, side, side, false);
    for (float& value : mask) value = 1 / (1 + std::exp(-value));
    mask = resized(mask, side, side, columns, rows, false);
    std::ofstream result(argument[7], std::ios::binary);
    result << "P5\n" << width << " " << height << "\n255\n";
    for (int v = 0; v < height; v++)
        for (int u = 0; u < width; u++) {
            bool isInBox = v >= int(y) && v < y + h && u >= int(x) && u < x + w;
            result.put(isInBox && mask[(v - top) * columns + u - left] > threshold ? -1 : 0);
        }
} catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
}
