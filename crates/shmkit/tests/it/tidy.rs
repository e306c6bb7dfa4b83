//! What the sources must look like, as far as a test can tell.

use std::fs;
use std::path::Path;

/// Operating systems are told apart where they are talked to, and where a backend is picked.
#[test]
fn os_cfgs_stay_fenced() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let fence = ["src/sys", "src/os", "src/backend/mod.rs"].map(|path| root.join(path));
    let mut seen = 0;
    for file in shmkit_testkit::rust_files(root.join("src")) {
        let fenced = fence.iter().any(|path| file.starts_with(path));
        let text = fs::read_to_string(&file).unwrap();
        // Examples in the documentation are the reader's code.
        let mut code = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        seen += 1;
        let asks = |line: &str| {
            ["target_os", "cfg(windows", "sys = \""]
                .iter()
                .any(|word| line.contains(word))
        };
        assert!(fenced || !code.any(asks), "move to src/sys: {file:?}");
    }
    assert!(seen > 20, "only {seen} files were found");
}
