//! Numbers for people.

/// `4.1 MB`: thousands, as the GB/s beside them.
pub(crate) fn bytes(count: u64) -> String {
    scaled(
        count as f64,
        &[(1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B")],
    )
}

/// `8.35 ms`.
pub(crate) fn seconds(time: f64) -> String {
    scaled(
        time,
        &[(1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")],
    )
}

/// In the largest unit that leaves a number of at least 1, with three digits.
fn scaled(value: f64, units: &[(f64, &str)]) -> String {
    let smallest = units.last().expect("at least one unit");
    let (size, unit) = units
        .iter()
        .find(|(size, _)| value >= *size)
        .unwrap_or(smallest);
    let number = value / size;
    let decimals = match number {
        _ if *unit == "B" || number >= 100.0 => 0,
        _ if number >= 10.0 => 1,
        _ => 2,
    };
    format!("{number:.decimals$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_and_a_unit() {
        assert_eq!(bytes(4_096_064), "4.10 MB");
        assert_eq!(bytes(64), "64 B");
        assert_eq!(seconds(0.008_35), "8.35 ms");
        assert_eq!(seconds(12.3), "12.3 s");
        assert_eq!(seconds(0.0), "0.00 ns");
    }
}
