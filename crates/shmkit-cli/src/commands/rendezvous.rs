//! Memory that is given by name, without a segment: `shmkit serve KEY FILE`, `shmkit get KEY`.

#[cfg(unix)]
pub(super) use unix::{give, take};
#[cfg(windows)]
pub(super) use windows::{give, take};

#[cfg(unix)]
mod unix {
    use std::path::Path;

    use anyhow::{Context as _, Result};
    use shmkit::key::NativeIpcKey;
    use shmkit::os::handover;
    use shmkit::{ErrorKind, Sealed};

    use crate::output;

    /// Gives the contents of a file to everybody who asks, until what it returns is dropped.
    pub(in crate::commands) fn give(
        key: &NativeIpcKey,
        file: &Path,
    ) -> Result<handover::Published> {
        let name = key.to_string();
        let memory = read(file, &name)?;
        let given = handover::publish(&name, &memory)?;
        output::line(&output::shown(&name))?;
        Ok(given)
    }

    fn read(file: &Path, name: &str) -> Result<Sealed> {
        if file.as_os_str() == "-" {
            return Ok(Sealed::new(name, std::io::stdin().lock())?);
        }
        let contents = std::fs::File::open(file).with_context(|| {
            format!("cannot read {}", output::shown(&file.display().to_string()))
        })?;
        Ok(Sealed::new(name, contents)?)
    }

    /// What somebody gives by the name of a key; `None` if nobody does, or can.
    pub(in crate::commands) fn take(key: &NativeIpcKey) -> Result<Option<Sealed>> {
        match handover::fetch(&key.to_string(), std::time::Duration::ZERO) {
            Ok(memory) => Ok(Some(memory)),
            Err(error) => match error.kind() {
                // No directory for it, or a name that is too long for one.
                ErrorKind::NotFound | ErrorKind::Unsupported | ErrorKind::InvalidKey => Ok(None),
                _ => Err(error.into()),
            },
        }
    }
}

#[cfg(windows)]
mod windows {
    use std::path::Path;

    use anyhow::Result;
    use shmkit::Sealed;
    use shmkit::key::NativeIpcKey;

    pub(in crate::commands) fn give(_: &NativeIpcKey, _: &Path) -> Result<()> {
        anyhow::bail!("Windows has no sealed memory, so none is given by name")
    }

    pub(in crate::commands) fn take(_: &NativeIpcKey) -> Result<Option<Sealed>> {
        Ok(None)
    }
}
