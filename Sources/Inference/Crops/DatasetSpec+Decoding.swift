package import Imaging
package import Specs

extension DatasetSpec {
    /// How images are decoded.
    package var decoding: DecodeOptions {
        DecodeOptions(
            maxPixels: maxPixelCount, applyEXIF: appliesEXIF, scales16Bit: scales16Bit)
    }
}
