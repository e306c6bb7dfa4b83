//! A closer look at a process: whose it is, and since when it runs. It is for people and rare, so a
//! program may tell: `ps`, whose options are the same on all these systems.

use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::sys::Who;

pub(crate) fn who(pid: u32) -> Who {
    let mut ps = Command::new("ps");
    let said = ps
        .args(["-o", "uid=", "-o", "etime=", "-p", &pid.to_string()])
        .output();
    let said = said.map(|output| output.stdout).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let mut words = said.split_ascii_whitespace();
    let user = words.next().and_then(|word| word.parse().ok());
    let age = words.next().and_then(age);
    Who {
        user,
        began: age.and_then(|age| SystemTime::now().checked_sub(age)),
        ..Who::default()
    }
}

/// Reads `[[days-]hours:]minutes:seconds`, as POSIX has it.
fn age(text: &str) -> Option<Duration> {
    let (days, rest) = text.split_once('-').unwrap_or(("0", text));
    let mut seconds = 0;
    for part in rest.split(':') {
        seconds = seconds * 60 + part.parse::<u64>().ok()?;
    }
    let days: u64 = days.parse().ok()?;
    Some(Duration::from_secs(days * 24 * 60 * 60 + seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_read_as_ps_writes_them() {
        assert_eq!(age("00:07"), Some(Duration::from_secs(7)));
        assert_eq!(age("01:02:03"), Some(Duration::from_secs(3723)));
        assert_eq!(age("2-00:00:01"), Some(Duration::from_secs(172_801)));
        assert_eq!(age("long"), None);
        assert_eq!(age(""), None);
    }

    #[test]
    fn this_process_has_a_user_and_a_beginning() {
        let me = who(std::process::id());
        assert_eq!(me.user, Some(crate::sys::file::user()));
        assert!(me.began.unwrap() <= SystemTime::now());
        assert_eq!(who(u32::MAX), Who::default());
    }
}
