//! Where the workspace's files are.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// The root of the workspace: the folder with the lock file, above the package under test.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn workspace_root() -> PathBuf {
    // The variable at run time comes first: a checkout may be moved together with what it has built.
    let package = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    let root = package
        .ancestors()
        .find(|folder| folder.join("Cargo.lock").exists());
    root.expect("a package of the workspace").to_owned()
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
    fn the_root_holds_this_crate() {
        let manifest = workspace_root().join("crates/shmkit-testkit/Cargo.toml");
        assert!(manifest.exists(), "{manifest:?}");
    }
}
