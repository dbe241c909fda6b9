//! A Dockerfile, compose file or Kubernetes file.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trust_fuzz::image_file(data));
