#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

extension Libtorch {
    /// Starts the program over, once, so that libtorch's idle threads sleep instead of spinning.
    ///
    /// For a program's first line. OpenMP's threads spin for milliseconds after each operator, on
    /// cores that decoding and cropping want, and on a busy machine against the very threads they
    /// wait for. The runtime reads how to wait from the environment before `main`, hence the new
    /// start. Does nothing when the user chose a way (`OMP_WAIT_POLICY`, `GOMP_SPINCOUNT`), and
    /// goes on as it is where a program can't be started again.
    public static func letIdleThreadsSleep() {
        #if os(Linux)
            guard getenv("OMP_WAIT_POLICY") == nil, getenv("GOMP_SPINCOUNT") == nil else { return }
            setenv("OMP_WAIT_POLICY", "passive", 1)
            execv("/proc/self/exe", CommandLine.unsafeArgv)
        #endif
    }
}
