//! What this process is called, for others.

/// How a process introduces itself.
pub(crate) struct Identity {
    pub(crate) pid: u32,
    /// There are no PID namespaces: always 0.
    pub(crate) namespace: u64,
    /// The name of the program, at most 15 bytes.
    pub(crate) program: String,
}

/// This process, now: all of it may have changed by a fork.
pub(crate) fn identity() -> Identity {
    let path = std::env::current_exe().unwrap_or_default();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Identity {
        pid: std::process::id(),
        namespace: 0,
        program: shortened(&name, 15).to_owned(),
    }
}

/// The beginning of a text, at most so many bytes long, without half a character at its end.
fn shortened(text: &str, most: usize) -> &str {
    let ends = text
        .char_indices()
        .map(|(at, character)| at + character.len_utf8());
    &text[..ends.take_while(|&end| end <= most).last().unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_between_characters() {
        assert_eq!(shortened("shmkit", 15), "shmkit");
        assert_eq!(shortened("a-rather-long-program", 15), "a-rather-long-p");
        assert_eq!(shortened("häääääääää", 4), "hä");
    }
}
