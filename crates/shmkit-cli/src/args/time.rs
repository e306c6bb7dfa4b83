//! How long, on the command line.

use std::time::Duration;

/// Reads `90s`, `10min`, `2h 30min`, `7d`, and a number of seconds.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok();
    let time = match seconds {
        Some(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        None => humantime::parse_duration(text).ok(),
    };
    time.ok_or_else(|| "expected a time like 90s, 10min, 2h, 7d, or a number of seconds".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units_or_are_seconds() {
        for (text, seconds) in [
            ("90", 90.0),
            ("0.5", 0.5),
            ("90s", 90.0),
            ("10min", 600.0),
            ("2h 30min", 9000.0),
            ("7d", 604_800.0),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_secs_f64(seconds)), "{text}");
        }
        for wrong in ["", "-1", "soon", "7 parsecs", "inf", "nan"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
