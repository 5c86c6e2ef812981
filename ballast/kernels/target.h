// Which vector instructions the kernels use.
#pragma once

namespace ballast::kernels {

/// Reads BALLAST_TARGET from the environment, the first time it is called: "avx2" or "baseline"
/// keep all kernels from instructions beyond those, to compare machines or to reproduce another's
/// bits; "avx512" and nothing mean the best that the processor has. Throws ValueError for other
/// words. To be called before the first kernel runs.
void choose_target();

/// What kernels use, in the words of PyTorch's `torch.backends.cpu.get_cpu_capability()`: "AVX512",
/// "AVX2" or "DEFAULT".
const char* target_name();

}  // namespace ballast::kernels
