//! A small storm; `cargo xtask storm` makes a large one.

use std::process::Command;
use std::time::Duration;

#[test]
fn five_hundred_kills_do_no_harm() {
    let _watch = shmkit_testkit::deadline(Duration::from_secs(120));
    let mut storm = Command::new(env!("CARGO_BIN_EXE_shmkit-storm"));
    // The machine may be busy with other tests; only a lost wake-up takes that long.
    storm.args(["--kills", "500", "--processes", "4", "--hang", "10000"]);
    let output = storm.output().unwrap();
    let [said, complained] =
        [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(
        output.status.success(),
        "{}\n{said}{complained}",
        output.status
    );
    assert!(said.contains("left over: none"), "{said}");
    let column = |row: &str, number: usize| row.split('|').nth(number)?.trim().parse::<u64>().ok();
    let rows = said
        .lines()
        .filter_map(|row| Some((column(row, 2)?, column(row, 3)?)));
    let (kills, with_a_lock) = rows.fold((0, 0), |sum, row| (sum.0 + row.0, sum.1 + row.1));
    assert_eq!(kills, 500, "{said}");
    // Otherwise it would show nothing.
    assert!(with_a_lock > 0, "{said}");
}
