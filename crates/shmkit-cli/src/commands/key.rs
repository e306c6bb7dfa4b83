//! `shmkit key`: what Qt calls a name.

use std::process::ExitCode;

use anyhow::{Result, ensure};
use comfy_table::Cell;
use serde::Serialize;
use shmkit::key::{KeyRules, KeyType, NativeIpcKey, Platform, Role};

use crate::args::Key;
use crate::output::{self, row, shown, table};

/// A key, and by which rule it was made.
#[derive(Debug, Serialize)]
struct Made {
    rule: &'static str,
    r#type: String,
    r#for: &'static str,
    key: String,
    native_key: String,
}

pub(crate) fn run(args: Key) -> Result<ExitCode> {
    ensure!(!args.name.is_empty(), "cannot use key: the name is empty");
    let here = KeyRules::of_this_process();
    let rules = match args.platform.map(Platform::from) {
        Some(other) if other != here.platform() => KeyRules::new(other),
        _ => here,
    };
    let keys = all(&rules, &args.name);
    match args.json {
        true => output::json(&keys)?,
        false => output::print(&text(&keys))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn all(rules: &KeyRules, name: &str) -> Vec<Made> {
    type Rule = fn(&KeyRules, Role, &str, KeyType) -> NativeIpcKey;
    let made_by: [(&str, Rule); 2] = [
        ("platform-safe", KeyRules::platform_safe_key),
        ("legacy", KeyRules::legacy_key),
    ];
    let types = [KeyType::PosixRealtime, KeyType::SYSTEM_V, KeyType::Windows];
    let mut keys = Vec::new();
    for (rule, make) in made_by {
        for key_type in types
            .into_iter()
            .filter(|&of| rules.platform().supports(of))
        {
            for (r#for, role) in [("segment", Role::Segment), ("semaphore", Role::Semaphore)] {
                let key = make(rules, role, name, key_type);
                keys.push(Made {
                    rule,
                    r#type: key_type.to_string(),
                    r#for,
                    key: key.to_string(),
                    native_key: key.native_key().to_owned(),
                });
            }
        }
    }
    keys
}

fn text(keys: &[Made]) -> String {
    // Whole keys, even where they are wider than the terminal: they are here to be copied.
    let mut table = table();
    table.set_content_arrangement(comfy_table::ContentArrangement::Disabled);
    table.set_header(row(["RULE", "TYPE", "FOR", "KEY"].map(Cell::new)));
    for key in keys {
        let cells = [key.rule, &key.r#type, key.r#for, &shown(&key.key)].map(Cell::new);
        table.add_row(row(cells));
    }
    output::render(table)
}
