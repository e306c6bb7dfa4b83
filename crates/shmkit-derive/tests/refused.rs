//! What `#[derive(ShmSafe)]` refuses, and in which words.
#![expect(clippy::print_stdout, reason = "a test that cannot run here says why")]

use std::process::Command;

/// The compiler whose words the `.stderr` files have: each version puts some things differently.
/// To write them anew, run this test with `TRYBUILD=overwrite`.
const COMPILER: &str = "rustc 1.95.";

#[test]
fn types_that_cannot_lie_in_shared_memory_are_refused_with_a_reason() {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("--version").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    if !version.starts_with(COMPILER) {
        println!("skipped: the expected messages are those of {COMPILER}x, not of {version}");
        return;
    }
    trybuild::TestCases::new().compile_fail("tests/refused/*.rs");
}
