//! Memory that is given by name, without a segment: `shmkit serve KEY FILE`, `shmkit get KEY`.

use std::path::Path;

#[cfg(target_os = "linux")]
use anyhow::Context as _;
use anyhow::Result;
use shmkit::Sealed;
use shmkit::key::NativeIpcKey;
#[cfg(target_os = "linux")]
use shmkit::os::handover;

#[cfg(target_os = "linux")]
use crate::output;

/// Gives the contents of a file to everybody who asks, until what it returns is dropped.
#[cfg(target_os = "linux")]
pub(super) fn give(key: &NativeIpcKey, file: &Path) -> Result<handover::Published> {
    let name = key.to_string();
    let memory = read(file, &name)?;
    let given = handover::publish(&name, &memory)?;
    output::line(&output::shown(&name))?;
    Ok(given)
}

#[cfg(target_os = "linux")]
fn read(file: &Path, name: &str) -> Result<Sealed> {
    if file.as_os_str() == "-" {
        return Ok(Sealed::new(name, std::io::stdin().lock())?);
    }
    let contents = std::fs::File::open(file)
        .with_context(|| format!("cannot read {}", output::shown(&file.display().to_string())))?;
    Ok(Sealed::new(name, contents)?)
}

/// What somebody gives by the name of a key; `None` if nobody does.
#[cfg(target_os = "linux")]
pub(super) fn take(key: &NativeIpcKey) -> Result<Option<Sealed>> {
    match handover::fetch(&key.to_string(), std::time::Duration::ZERO) {
        Ok(memory) => Ok(Some(memory)),
        Err(error) if error.kind() == shmkit::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn give(_: &NativeIpcKey, _: &Path) -> Result<()> {
    anyhow::bail!("memory cannot be given by name on this system so far")
}

#[cfg(not(target_os = "linux"))]
pub(super) fn take(_: &NativeIpcKey) -> Result<Option<Sealed>> {
    Ok(None)
}
