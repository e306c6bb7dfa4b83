//! Where the workspace's files are.

use std::fs;
use std::path::{Path, PathBuf};

/// The root of the workspace.
///
/// # Panics
/// When the crate no longer lies two folders below it.
#[must_use]
pub fn workspace_root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors()
        .nth(2)
        .expect("this crate lies in `crates/`")
}

/// Lists every `.rs` file in `folder` and below it, sorted.
///
/// A relative `folder` counts from the current one, which `cargo test` makes the package's; the paths
/// start with `folder` as it was given.
///
/// # Panics
/// When a folder cannot be read.
#[must_use]
pub fn rust_files(folder: impl AsRef<Path>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.as_ref().to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("cannot list {}: {error}", folder.display()));
        for entry in entries {
            let path = entry
                .expect("an entry of a folder that can be listed")
                .path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_this_file() {
        assert!(rust_files("src").contains(&PathBuf::from("src/files.rs")));
        assert!(rust_files("python").is_empty());
    }

    #[test]
    fn the_root_holds_the_lock_file() {
        assert!(workspace_root().join("Cargo.lock").exists());
    }
}
