extension Tensor {
    /// The matrix with ones on its diagonal, n × n, on the CPU.
    package static func identity(_ size: Int, _ dtype: DType = .float32) -> Tensor {
        call(ops.eye, .int(size), .dtype(dtype))
    }

    /// The eigenvectors of this symmetric, finite matrix as columns, that of the smallest eigenvalue first.
    package func eigenvectors() -> Tensor { callPair(ops.eigh, .tensor(self)).1 }

    /// The matrix x with self · x = `right`; this one is square, finite and not singular.
    package func solved(for right: Tensor) -> Tensor {
        call(ops.solve, .tensor(self), .tensor(right)) { right.shape }
    }
}
