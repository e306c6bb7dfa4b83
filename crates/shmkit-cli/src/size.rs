//! Sizes on the command line, as GNU's tools read them.

/// Reads `4096`, `64K`, `64KiB`, `1.5M`, `64KB`: K, M, G, T, P and E count in 1024s, with a `B` at
/// the end in 1000s.
pub(crate) fn parse(text: &str) -> Result<usize, String> {
    let digits = text.find(|char: char| !char.is_ascii_digit() && char != '.');
    let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
    let unit = unit_of(unit.trim_start()).ok_or_else(|| {
        "expected a number of bytes like 4096, 64K, 64KiB (both 65536), 64KB (64000) or 1.5M"
            .to_owned()
    })?;
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let whole: u128 = whole
        .parse()
        .map_err(|_| "expected it to begin with a number".to_owned())?;
    let fraction: u128 = match part {
        "" => 0,
        part => {
            // More digits than a byte of an exbibyte needs.
            let digits = part.get(..part.len().min(18)).unwrap_or_default();
            let value: u128 = digits
                .parse()
                .map_err(|_| "expected digits after the point".to_owned())?;
            value * unit / 10u128.pow(digits.len() as u32)
        }
    };
    whole
        .checked_mul(unit)
        .and_then(|bytes| bytes.checked_add(fraction))
        .and_then(|bytes| usize::try_from(bytes).ok())
        .ok_or_else(|| "more than this machine can address".to_owned())
}

fn unit_of(name: &str) -> Option<u128> {
    let name = name.to_ascii_lowercase();
    let letter = match name.as_str() {
        "" | "b" => return Some(1),
        name => name.chars().next()?,
    };
    let power = "kmgtpe".find(letter)? as u32 + 1;
    match &name[1..] {
        "" | "i" | "ib" => Some(1024u128.pow(power)),
        "b" => Some(1000u128.pow(power)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn sizes_are_read_as_gnu_does() {
        let table = [
            ("0", 0),
            ("4096", 4096),
            ("4096B", 4096),
            ("64K", 65536),
            ("64k", 65536),
            ("64KiB", 65536),
            ("64 KiB", 65536),
            ("64KB", 64000),
            ("1MiB", 1 << 20),
            ("1.5M", 3 << 19),
            ("0.5K", 512),
            ("2G", 2 << 30),
        ];
        for (text, bytes) in table {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in [
            "",
            "K",
            "-1",
            "+1",
            "64X",
            "64KiBs",
            "0x10",
            "1..5M",
            "1e3",
            "16E",
            "99999999999999999999",
            "٣",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
