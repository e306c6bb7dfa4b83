//! Says once what the target has, so that the sources need not ask which operating system it is:
//!
//! * `sys`: which folder of `src/sys` talks to the operating system;
//! * `keys`: the types of keys that there are segments of, and that the features allow;
//! * `feature_off`: the types that there would be, were the feature on;
//! * `named_segments`: whether there is any such type;
//! * `surveyed`: whether segments can be listed by what there is of them, and looked at from outside;
//! * `anchored`: POSIX segments are objects and no files, and the kernel has no list of what there is;
//! * `partial`: something that other builds have is left out, and what it alone needs is not used.

use std::env;

/// The types of keys, called as their features are.
const TYPES: [&str; 3] = ["posix", "systemv", "windows"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    declare("sys", &["linux", "portable", "windows", "none"]);
    declare("keys", &TYPES);
    declare("feature_off", &TYPES);
    println!("cargo::rustc-check-cfg=cfg(named_segments, surveyed, anchored, partial)");

    let (sys, has) = target();
    println!("cargo::rustc-cfg=sys=\"{sys}\"");
    let is_on = |kind: &&str| is_set(&format!("CARGO_FEATURE_{}", kind.to_uppercase()));
    let (on, off): (Vec<&str>, Vec<&str>) = has.iter().copied().partition(is_on);
    for (name, kinds) in [("keys", &on), ("feature_off", &off)] {
        for kind in kinds {
            println!("cargo::rustc-cfg={name}=\"{kind}\"");
        }
    }
    if on.is_empty() || !off.is_empty() || sys == "portable" {
        println!("cargo::rustc-cfg=partial");
    }
    if sys == "portable" {
        println!("cargo::rustc-cfg=anchored");
    }
    if ["linux", "portable"].contains(&sys) {
        println!("cargo::rustc-cfg=surveyed");
    }
    if !has.is_empty() {
        println!("cargo::rustc-cfg=named_segments");
    }
}

/// The folder for the target, and the types of keys that it has segments of.
fn target() -> (&'static str, &'static [&'static str]) {
    let system = env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    match system.as_str() {
        // What every Unix has, on the one where it can be tested.
        "linux" if is_set("CARGO_CFG_SHMKIT_FORCE_PORTABLE") => ("portable", &TYPES[..2]),
        "linux" => ("linux", &TYPES[..2]),
        // Its C library has `shm_open` and `shmget`, and its kernel refuses them to programs.
        "android" => ("linux", &[]),
        "macos" | "freebsd" => ("portable", &TYPES[..2]),
        "windows" => ("windows", &TYPES[2..]),
        _ => ("none", &[]),
    }
}

fn is_set(name: &str) -> bool {
    env::var_os(name).is_some()
}

fn declare(name: &str, values: &[&str]) {
    let quoted: Vec<_> = values.iter().map(|value| format!("\"{value}\"")).collect();
    let values = quoted.join(", ");
    println!("cargo::rustc-check-cfg=cfg({name}, values({values}))");
}
