//! What this process' surroundings mean for keys: its platform, its directories, its user.
//!
//! Everything is looked up anew each time, as Qt does it: a program may change its environment.

use std::env;

use crate::key::{KeyRules, NativeIpcKey, ParseKeyError, ParseKeyErrorKind, Platform, Role};

impl KeyRules {
    /// The rules of this platform, with the directories of this process.
    ///
    /// They say what a program that uses Qt would say here and now. Making a platform-safe
    /// System V key may make the user's runtime directory (with mode 0700); nothing else
    /// touches the file system.
    ///
    /// # Platform-specific behavior
    /// On Unix the temporary directory is `$TMPDIR`, made absolute and tidied, or `/tmp`.
    ///
    /// The runtime directory is `$XDG_RUNTIME_DIR` if it is an absolute path and is or can become
    /// a directory that belongs to the effective user alone (mode 0700, no symbolic link); else
    /// `runtime-USER` in the temporary directory, on the same conditions; else none. On macOS it is
    /// `~/Library/Application Support`.
    ///
    /// On Windows keys depend on no directory.
    ///
    /// ```
    /// use shmkit::key::{KeyRules, Role};
    ///
    /// let rules = KeyRules::of_this_process();
    /// let key = rules.platform_safe_key(Role::Segment, "cam0", rules.default_type());
    /// println!("on {} it is called {key}", rules.platform());
    /// ```
    pub fn of_this_process() -> Self {
        Self::new(platform())
            .temp_dir(directories::temp_dir())
            .find_runtime_dir(directories::runtime_dir)
    }
}

impl NativeIpcKey {
    /// The key of a segment that Qt 6.6 and later make of this name by default:
    /// [`KeyRules::platform_safe_key`] by the rules of this process.
    ///
    /// ```
    /// use shmkit::key::NativeIpcKey;
    ///
    /// let key = NativeIpcKey::platform_safe("cam0");
    /// # if cfg!(target_os = "linux") {
    /// assert_eq!(key.to_string(), "posix:/cam0"); // on Linux
    /// # }
    /// ```
    pub fn platform_safe(name: &str) -> Self {
        let rules = KeyRules::of_this_process();
        rules.platform_safe_key(Role::Segment, name, rules.default_type())
    }

    /// The key of a segment that every version of Qt makes of this name when it is given to
    /// `QSharedMemory` as such: [`KeyRules::legacy_key`] by the rules of this process.
    ///
    /// ```
    /// use shmkit::key::NativeIpcKey;
    ///
    /// let key = NativeIpcKey::legacy("cam0");
    /// assert_eq!(key.legacy_key(), Some("cam0"));
    /// ```
    pub fn legacy(name: &str) -> Self {
        let rules = KeyRules::of_this_process();
        rules.legacy_key(Role::Segment, name, rules.legacy_default_type())
    }

    /// The key that a person wrote: one in its text form, or a name, which stands for its
    /// [platform-safe](Self::platform_safe) key.
    ///
    /// A name has neither colon nor slash: with a slash it is more likely a path, or a key whose
    /// type was forgotten.
    ///
    /// ```
    /// use shmkit::key::NativeIpcKey;
    ///
    /// let key = NativeIpcKey::parse_or_name("cam0")?;
    /// assert_eq!(key, NativeIpcKey::platform_safe("cam0"));
    /// assert_eq!(NativeIpcKey::parse_or_name("posix:/cam0")?.native_key(), "/cam0");
    /// assert!(NativeIpcKey::parse_or_name("/cam0").is_err());
    /// # Ok::<(), shmkit::key::ParseKeyError>(())
    /// ```
    ///
    /// # Errors
    /// If it is neither: what is wrong, and where.
    pub fn parse_or_name(text: &str) -> Result<Self, ParseKeyError> {
        match Self::parse(text) {
            Err(error) if error.kind() == ParseKeyErrorKind::MissingType && !text.contains('/') => {
                Ok(Self::platform_safe(text))
            }
            parsed => parsed,
        }
    }
}

/// The directory for what programs of this user have with each other, and nobody else; or why there
/// is none.
#[cfg(any(sys = "linux", sys = "portable"))]
pub(crate) fn own_directory() -> Result<std::path::PathBuf, String> {
    match env::var_os("XDG_RUNTIME_DIR").filter(|path| !path.is_empty()) {
        Some(path) => Ok(path.into()),
        None => directories::own_without_variable(),
    }
}

fn platform() -> Platform {
    if cfg!(windows) {
        Platform::Windows
    } else if cfg!(target_os = "linux") {
        Platform::Linux
    } else if cfg!(target_os = "android") {
        Platform::Android
    } else if cfg!(target_os = "macos") {
        // The system sets this variable for programs that it put into a sandbox.
        Platform::MacOs {
            sandboxed: env::var_os("APP_SANDBOX_CONTAINER_ID").is_some(),
        }
    } else if cfg!(target_vendor = "apple") {
        Platform::MacOs { sandboxed: true }
    } else {
        Platform::FreeBsd
    }
}

#[cfg(unix)]
mod directories {
    use std::env;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    #[cfg(any(sys = "linux", sys = "portable"))]
    use std::path::PathBuf;

    use rustix::fs::{FileType, Mode};

    use crate::key::text::lossy_utf8;

    pub(super) fn temp_dir() -> String {
        match variable("TMPDIR") {
            Some(dir) => {
                let here = env::current_dir().unwrap_or_default();
                tidy(without_slash(&dir), &text(here.as_os_str()))
            }
            // Without the variable, std answers the user's own directory on Apple systems.
            None if cfg!(target_vendor = "apple") && env::var_os("TMPDIR").is_none() => {
                without_slash(&text(env::temp_dir().as_os_str())).to_owned()
            }
            None => "/tmp".into(),
        }
    }

    pub(super) fn runtime_dir(temp_dir: &str) -> String {
        if cfg!(target_vendor = "apple") {
            let home = env::home_dir().unwrap_or_default();
            return format!("{}/Library/Application Support", text(home.as_os_str()));
        }
        let given = variable("XDG_RUNTIME_DIR").filter(|dir| dir.starts_with('/'));
        given
            .filter(|dir| make_private_dir(dir))
            .unwrap_or_else(|| {
                let dir = format!("{temp_dir}/runtime-{}", effective_user());
                if make_private_dir(&dir) {
                    dir
                } else {
                    String::new()
                }
            })
    }

    /// See [`own_directory`](super::own_directory).
    #[cfg(sys = "linux")]
    pub(super) fn own_without_variable() -> Result<PathBuf, String> {
        Err("XDG_RUNTIME_DIR is not set".to_owned())
    }

    /// The temporary directory, or one of the user's own in it.
    #[cfg(sys = "portable")]
    pub(super) fn own_without_variable() -> Result<PathBuf, String> {
        let temporary = temp_dir();
        if is_private_dir(&temporary, Mode::RWXG | Mode::RWXO, Mode::empty()) {
            return Ok(temporary.into());
        }
        let own = format!("{temporary}/runtime-{}", effective_user());
        match make_private_dir(&own) {
            true => Ok(own.into()),
            false => Err(format!("{own} is not a directory that only you can use")),
        }
    }

    /// The name of the effective user; empty if the user has none, as in many containers.
    pub(super) fn effective_user() -> String {
        let user = rustix::process::geteuid().as_raw();
        crate::sys::user::name(user).unwrap_or_default()
    }

    /// An environment variable that is set to something.
    fn variable(name: &str) -> Option<String> {
        env::var_os(name)
            .map(|value| text(&value))
            .filter(|value| !value.is_empty())
    }

    fn text(bytes: &OsStr) -> String {
        lossy_utf8(bytes.as_bytes())
    }

    fn without_slash(dir: &str) -> &str {
        dir.strip_suffix('/')
            .filter(|rest| !rest.is_empty())
            .unwrap_or(dir)
    }

    /// The directory as an absolute path without `.`, `..` and doubled slashes. It keeps a slash at
    /// its end, and a `..` that leads out of the root directory: both are in Qt's keys. (Where such
    /// a `..`, or a leading `.`, stands before doubled slashes, Qt keeps some of those; we do not.)
    pub(super) fn tidy(dir: &str, here: &str) -> String {
        let path = if dir.starts_with('/') {
            dir.to_owned()
        } else {
            format!("{here}/{dir}")
        };
        let mut parts: Vec<&str> = Vec::new();
        for part in path.split('/') {
            match part {
                "" | "." => {}
                ".." if parts.last().is_some_and(|&last| last != "..") => drop(parts.pop()),
                _ => parts.push(part),
            }
        }
        let end = if path.len() > 1 && path.ends_with('/') {
            "/"
        } else {
            ""
        };
        format!("/{}{end}", parts.join("/"))
    }

    /// Whether the directory could be made or is there, and is this user's alone.
    pub(super) fn make_private_dir(dir: &str) -> bool {
        let permissions = Mode::RWXU | Mode::RWXG | Mode::RWXO;
        rustix::fs::mkdir(dir, Mode::RWXU).is_ok() || is_private_dir(dir, permissions, Mode::RWXU)
    }

    /// Whether it is a directory of this user's that has just these of the permissions.
    fn is_private_dir(dir: &str, of: Mode, these: Mode) -> bool {
        rustix::fs::lstat(dir).is_ok_and(|stat| {
            FileType::from_raw_mode(stat.st_mode).is_dir()
                && Mode::from_raw_mode(stat.st_mode) & of == these
                && stat.st_uid == rustix::process::geteuid().as_raw()
        })
    }
}

/// Keys of this platform do not depend on directories.
#[cfg(not(unix))]
mod directories {
    pub(super) fn temp_dir() -> String {
        std::env::temp_dir().to_string_lossy().into_owned()
    }

    pub(super) fn runtime_dir(_temp_dir: &str) -> String {
        String::new()
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
    use std::process::Command;

    use super::directories::{effective_user, make_private_dir, tidy};
    use super::*;

    #[test]
    fn the_temporary_directory_is_absolute_and_tidy() {
        // Measured on Qt 6.11 in /usr/lib, after one slash was cut from the end.
        let table = [
            ("/", "/"),
            ("/tmp", "/tmp"),
            ("/tmp/", "/tmp/"),
            ("///a//b", "/a/b"),
            ("/a/./../b/.//c", "/b/c"),
            ("/a/...", "/a/..."),
            ("/a/..", "/"),
            ("/a/../..", "/.."),
            (".", "/usr/lib"),
            ("./", "/usr/lib/"),
            ("../a", "/usr/a"),
            ("../../../a", "/../a"),
            (" ", "/usr/lib/ "),
        ];
        for (given, tidied) in table {
            assert_eq!(tidy(given, "/usr/lib"), tidied, "{given:?}");
        }
    }

    #[test]
    fn a_runtime_directory_belongs_to_one_user_alone() {
        let base = env::temp_dir().join(format!("shmkit-environment-{}", std::process::id()));
        fs::DirBuilder::new().mode(0o700).create(&base).unwrap();
        let path = |name: &str| base.join(name).to_str().unwrap().to_owned();
        let set_mode = |name: &str, mode| {
            fs::set_permissions(path(name), fs::Permissions::from_mode(mode)).unwrap();
        };

        assert!(make_private_dir(&path("new")));
        assert!(make_private_dir(&path("new")), "it is there now");
        set_mode("new", 0o1700);
        assert!(make_private_dir(&path("new")), "only permissions count");
        symlink(path("new"), path("link")).unwrap();
        assert!(!make_private_dir(&path("link")));
        set_mode("new", 0o750);
        assert!(!make_private_dir(&path("new")));
        fs::write(path("file"), "").unwrap();
        set_mode("file", 0o700);
        assert!(!make_private_dir(&path("file")));
        assert!(!make_private_dir(&path("no/parent")));

        fs::remove_dir_all(&base).unwrap();
    }

    #[test]
    fn the_user_is_the_one_that_id_names() {
        let id = Command::new("id").arg("-un").output().unwrap();
        // It fails for a user without a name.
        let name = if id.status.success() {
            str::from_utf8(&id.stdout).unwrap()
        } else {
            ""
        };
        assert_eq!(effective_user(), name.trim_end());
    }
}
