// Settings of the sanitizers, which look for functions of these names. Tests ask for more memory
// than there is: an error then, no end of the process.
extern "C" {
const char* __asan_default_options();  // NOLINT(bugprone-reserved-identifier)
const char* __tsan_default_options();  // NOLINT(bugprone-reserved-identifier)

const char* __asan_default_options() { return "allocator_may_return_null=1"; }
const char* __tsan_default_options() { return "allocator_may_return_null=1"; }
}
