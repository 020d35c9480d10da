#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    qtrail_fuzz::targets::log_file::check(data);
});
