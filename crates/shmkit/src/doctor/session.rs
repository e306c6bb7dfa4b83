//! systemd-logind removes a user's segments at the end of its last session (`RemoveIPC`,
//! logind.conf(5)).

use super::Finding;
use crate::sys::machine::Machine;

const CHECK: &str = "logind";

/// Whose segments logind never removes: root's, and those of users that are services.
const LAST_SYSTEM_USER: u32 = 999;

pub(super) fn check(machine: &Machine, found: &mut Vec<Finding>) {
    found.push(judge(machine));
}

fn judge(machine: &Machine) -> Finding {
    if !machine.is_directory("/run/systemd/seats") {
        return Finding::good(CHECK, "logind does not run here");
    }
    let setting = setting(machine);
    if !setting.removes {
        return Finding::good(CHECK, "logind leaves segments alone (RemoveIPC=no)");
    }
    if machine.user <= LAST_SYSTEM_USER {
        return Finding::good(
            CHECK,
            "logind removes segments at logout (RemoveIPC), but not those of this user, who is \
             root or a service",
        );
    }
    let user = machine
        .user_name()
        .unwrap_or_else(|| machine.user.to_string());
    if machine.exists(&format!("/var/lib/systemd/linger/{user}")) {
        return Finding::good(
            CHECK,
            format!("user {user} lingers, so logind removes nothing"),
        );
    }
    let how = match setting.is_set {
        true => "RemoveIPC=yes",
        false => "RemoveIPC is not set, and its default is yes",
    };
    Finding::warning(
        CHECK,
        format!("logind removes all segments of {user} when that user logs out ({how})"),
    )
    .why(
        "programs that go on without a session (nohup, cron, tmux) lose their segments: they keep \
         what they have attached, and nobody can come to it any more",
    )
    .mend(format!(
        "loginctl enable-linger {user}    # or RemoveIPC=no in /etc/systemd/logind.conf"
    ))
}

struct Setting {
    removes: bool,
    is_set: bool,
}

/// What the configuration says: the main file, and over it the drop-ins by their names, of which
/// one in a directory further up hides those of the same name further down.
fn setting(machine: &Machine) -> Setting {
    const DIRECTORIES: [&str; 4] = [
        "/etc/systemd",
        "/run/systemd",
        "/usr/local/lib/systemd",
        "/usr/lib/systemd",
    ];
    let main = DIRECTORIES
        .iter()
        .find_map(|directory| machine.text(&format!("{directory}/logind.conf")))
        .unwrap_or_default();
    let mut drop_ins = std::collections::BTreeMap::new();
    for directory in DIRECTORIES.map(|directory| format!("{directory}/logind.conf.d")) {
        for name in machine.names(&directory) {
            if name.ends_with(".conf") {
                let path = format!("{directory}/{name}");
                drop_ins.entry(name).or_insert(path);
            }
        }
    }
    let texts = drop_ins.values().filter_map(|path| machine.text(path));
    let said = std::iter::once(main.clone())
        .chain(texts)
        .filter_map(|text| last_said(&text, "RemoveIPC="))
        .next_back();
    Setting {
        is_set: said.is_some(),
        // The main file comes with the system and has the defaults that it was built with in
        // comments.
        removes: said
            .or_else(|| last_said(&main, "#RemoveIPC="))
            .unwrap_or(true),
    }
}

fn last_said(text: &str, name: &str) -> Option<bool> {
    let values = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix(name));
    values
        .filter_map(|value| match &*value.trim().to_ascii_lowercase() {
            "yes" | "y" | "true" | "t" | "on" | "1" => Some(true),
            "no" | "n" | "false" | "f" | "off" | "0" => Some(false),
            _ => None,
        })
        .next_back()
}

#[cfg(all(test, unix))]
mod tests {
    use super::super::Severity::{Good, Warning};
    use super::super::tests::Fake;
    use super::*;

    #[test]
    fn a_user_who_logs_out_loses_segments_unless_told_otherwise() {
        let severity = |fake: &Fake| {
            let mut machine = fake.machine();
            machine.user = 61_234;
            judge(&machine).severity
        };
        let mut fake = Fake::new();
        assert_eq!(severity(&fake), Good, "no logind");
        fake = fake.with("run/systemd/seats/seat0", "");
        assert_eq!(severity(&fake), Warning, "the default");
        fake = fake.with("usr/lib/systemd/logind.conf", "[Login]\n#RemoveIPC=no\n");
        assert_eq!(severity(&fake), Good, "the default that it was built with");
        fake = fake.with("etc/systemd/logind.conf", "[Login]\nRemoveIPC=yes\n");
        assert_eq!(severity(&fake), Warning);
        fake = fake.with("usr/lib/systemd/logind.conf.d/50-x.conf", "RemoveIPC=no");
        assert_eq!(severity(&fake), Good, "a drop-in has the last word");
        fake = fake.with("etc/systemd/logind.conf.d/50-x.conf", "[Login]\n");
        assert_eq!(severity(&fake), Warning, "and one in /etc hides it");
        fake = fake.with("var/lib/systemd/linger/61234", "");
        assert_eq!(severity(&fake), Good, "lingers");
    }

    #[test]
    fn root_and_services_are_left_alone() {
        let fake = Fake::new().with("run/systemd/seats/seat0", "");
        for user in [0, 999] {
            let mut machine = fake.machine();
            machine.user = user;
            assert_eq!(judge(&machine).severity, Good);
        }
    }
}
