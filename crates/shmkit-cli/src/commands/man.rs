//! `shmkit man`: manual pages.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::{Command, CommandFactory as _};
use clap_mangen::Man as Page;
use roff::{Roff, roman};

use crate::args::{Args, Man};
use crate::output;

pub(crate) fn run(args: Man) -> Result<ExitCode> {
    // Built, so that what holds for all commands is in each.
    let mut all = Args::command();
    all.build();
    // It has nothing to say that is not in the others.
    let all = all.mut_subcommand("help", |help| help.hide(true));
    if let Some(dir) = &args.dir {
        write_all(&all, dir)?;
        return Ok(ExitCode::SUCCESS);
    }
    let command = match &args.of {
        None => &all,
        Some(name) => match all.find_subcommand(name) {
            Some(command) => command,
            None => bail!("there is no command {name}; `shmkit help` lists them"),
        },
    };
    output::write(&page(command)?)?;
    Ok(ExitCode::SUCCESS)
}

fn write_all(all: &Command, dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let commands = all
        .get_subcommands()
        .filter(|command| !command.is_hide_set());
    for command in commands.chain([all]) {
        let path = dir.join(format!("{}.1", name_of(command)));
        fs::write(&path, page(command)?)
            .with_context(|| format!("cannot write to {}", path.display()))?;
    }
    Ok(())
}

/// What clap knows, and what our help says below it, as sections of their own.
fn page(command: &Command) -> Result<Vec<u8>> {
    let name = name_of(command);
    let page = Page::new(command.clone().display_name(&name))
        .title(name.to_uppercase())
        .manual("shmkit")
        .source(concat!("shmkit ", env!("CARGO_PKG_VERSION")));
    let mut text = Vec::new();
    page.render_title(&mut text)?;
    // Neither hyphens nor wide spaces, which would tear commands and tables apart.
    Roff::new()
        .control("nh", [])
        .control("ad", ["l"])
        .to_writer(&mut text)?;
    page.render_name_section(&mut text)?;
    page.render_synopsis_section(&mut text)?;
    page.render_description_section(&mut text)?;
    page.render_options_section(&mut text)?;
    if command.has_subcommands() {
        page.render_subcommands_section(&mut text)?;
    }
    let after = command
        .get_after_long_help()
        .or_else(|| command.get_after_help())
        .map(ToString::to_string);
    sections(&after.unwrap_or_default()).to_writer(&mut text)?;
    Ok(text)
}

/// The help's paragraphs `Heading:` and what is indented below it, as it is.
fn sections(help: &str) -> Roff {
    let mut roff = Roff::new();
    let mut is_open = false;
    for line in help.lines() {
        if let Some(heading) = line.strip_suffix(':').filter(|it| !it.starts_with(' ')) {
            if is_open {
                roff.control("fi", []);
            }
            roff.control("SH", [heading.to_uppercase().as_str()]);
            roff.control("nf", []);
            is_open = true;
        } else {
            let line = line.strip_prefix("  ").unwrap_or(line);
            roff.text([roman(line)]);
        }
    }
    if is_open {
        roff.control("fi", []);
    }
    roff
}

/// `shmkit` or `shmkit-ls`.
fn name_of(command: &Command) -> String {
    match command.get_display_name() {
        Some(name) => name.to_owned(),
        None => command.get_name().to_owned(),
    }
}
