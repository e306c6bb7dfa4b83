//! Order statistics: they do not mind the odd round that another process interrupted.

use serde::Serialize;

/// A median and the range of eight values in ten.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) p10: f64,
    pub(crate) p90: f64,
}

impl Spread {
    /// Sorts `values`, of which there must be at least one.
    pub(crate) fn of(values: &mut [f64]) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |percent: usize| values[(values.len() - 1) * percent / 100];
        Self {
            median: at(50),
            p10: at(10),
            p90: at(90),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_come_from_the_sorted_values() {
        let mut values: Vec<f64> = (0..=100).rev().map(f64::from).collect();
        assert_eq!(
            Spread::of(&mut values),
            Spread {
                median: 50.0,
                p10: 10.0,
                p90: 90.0
            }
        );
    }

    #[test]
    fn one_value_is_its_own_spread() {
        assert_eq!(
            Spread::of(&mut [7.0]),
            Spread {
                median: 7.0,
                p10: 7.0,
                p90: 7.0
            }
        );
    }
}
